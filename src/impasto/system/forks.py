"""Forked processes, which have none of the threads that models are run in.

What a parent has opened waits in its child for threads that did not come along, for ever. To open
it again there does not help: OpenVINO's compiler may wait for them too. So both are refused.
"""

import os

from impasto.errors import ForkError


class _Opener:
    """The process that was the first to open a model, of this one and those it was forked from."""

    def __init__(self) -> None:
        self.process: int | None = None


_opener = _Opener()


def check_not_forked() -> None:
    """Call this before a model is opened, and before it is run; it takes a tenth of a microsecond.

    Raises:
        ForkError: this process was forked from one that had opened a model by then.
    """
    process = os.getpid()
    if _opener.process is None:
        _opener.process = process
    if _opener.process != process:
        raise ForkError(
            "this process was forked from one that had opened a model, whose threads a fork "
            "leaves behind; start processes with multiprocessing's 'spawn', or open models only "
            "after the fork"
        )
