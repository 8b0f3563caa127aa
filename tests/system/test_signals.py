import os
import signal
import subprocess
import sys

import pytest

from impasto.errors import TrainingInterrupted, VideoInterrupted
from impasto.system.signals import Terminated, kept_handlers, signal_behind

CHILD = """
import signal, sys, time
from impasto.system.signals import end_as_by_ctrl_c
if "ignore" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
end_as_by_ctrl_c()
try:
    signal.raise_signal(signal.SIGHUP)
    print("went on")
    signal.raise_signal(signal.SIGTERM)
except KeyboardInterrupt as error:
    signal.raise_signal(signal.SIGTERM)  # cleaning up goes on
    print(error, error.signal_number)
"""


@pytest.mark.parametrize(
    ("words", "printed"),
    [([], ["SIGHUP 1"]), (["ignore"], ["went on", "SIGTERM 15"])],
)
def test_the_first_signal_that_is_heeded_ends_as_ctrl_c_does(words, printed):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == printed


def raised_from(first, then):
    try:
        try:
            raise first
        except BaseException:
            raise then from None
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (None, None),
        (ValueError(), None),
        (KeyboardInterrupt(), signal.SIGINT),
        (Terminated(signal.SIGTERM), signal.SIGTERM),
        (TrainingInterrupted("saved"), signal.SIGINT),
        (TrainingInterrupted("saved", signal_number=signal.SIGHUP), signal.SIGHUP),
        (raised_from(Terminated(signal.SIGHUP), VideoInterrupted("kept")), signal.SIGHUP),
        (raised_from(KeyboardInterrupt(), OSError(5, "no terminal")), signal.SIGINT),
    ],
)
def test_the_signal_behind_an_error_is_found(error, number):
    assert signal_behind(error) == number


def test_handlers_that_a_library_replaces_are_put_back():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("ours"))
    try:
        with kept_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == ["ours"]
    finally:
        signal.signal(signal.SIGTERM, before)
