"""The Ray of a batch: started here for as long as the batch runs, or found elsewhere."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from impasto.batch.worker import Worker
from impasto.errors import BatchError
from impasto.system.signals import kept_handlers

LOCAL = "local"
NUM_STARTS = 3
"""Attempts to start Ray, which gives up after half a minute: too short on a busy machine."""

_REACHED_BY_OTHERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's own switch, on every system: at 0 it knows this machine as 127.0.0.1, and all it starts
listens there alone. Else anybody who reaches the machine could run code on it. Ray reads the
variable when it is imported, so that it must be set before."""

MAX_TASK_RETRIES = 5
"""A picture that ends its worker must not do so for ever."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a batch.

    Attributes:
        address: address of a Ray cluster; `local` starts one here, `auto` finds the one of this
            machine.
        num_workers: number of workers; None is as many as there are cores for.
        num_threads: number of threads of each worker.
    """

    address: str = LOCAL
    num_workers: int | None = None
    num_threads: int = 1


class RayWorker:
    """A `Worker` in a process of Ray, built there from arguments in Ray's store.

    So the model travels once, and a worker that is started again finds it.
    """

    def __init__(self, make_worker: list[Any]) -> None:
        """Build the worker. The reference is in a list, or Ray would fetch it too early."""
        import ray

        self._worker: Worker = ray.get(make_worker[0])()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Write the results of a table of pictures; return their rows of the manifest."""
        return self._worker(table)


def check_workers(workers: Workers) -> None:
    """Refuse fewer than one worker or thread.

    Raises:
        BatchError: a number below 1.
    """
    for what, number in (("workers", workers.num_workers), ("threads", workers.num_threads)):
        if number is not None and number < 1:
            raise BatchError(f"{number} {what} were asked for; expected 1 or more")


@contextlib.contextmanager
def running_ray(workers: Workers) -> Iterator[int]:
    """Start or find Ray, and end it if it was started; yields the number of workers.

    Raises:
        BatchError: it cannot be started or found, or ends before its time.
    """
    # No report over the network, unless the user has asked for it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if workers.address == LOCAL:
        os.environ.setdefault(_REACHED_BY_OTHERS, "0")
    import ray
    import ray.data
    import ray.data.exceptions
    import ray.exceptions

    stopped = (ray.exceptions.RayError, ray.data.exceptions.SystemException)
    # A Ray that the caller has started serves others too: it is not ended here.
    is_ours = not ray.is_initialized()
    try:
        if is_ours:
            with kept_handlers():  # Ray's own end the process without cleaning up
                _start(workers)
        # Ray Data's own messages stay in its log files: stderr has our progress.
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_consecutive_actor_init_deaths = MAX_TASK_RETRIES
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        num_cores = int(ray.cluster_resources().get("CPU", 0))
        yield workers.num_workers or max(1, num_cores // workers.num_threads)
    except (*stopped, ConnectionError, TimeoutError) as error:
        raise BatchError(
            f"Ray has stopped working ({_first_line(error)}); the same command goes on from there"
        ) from None
    finally:
        if is_ours:
            ray.shutdown()


def _start(workers: Workers) -> None:
    import ray

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if workers.address == LOCAL:
        # A container may give this process fewer cores than the machine has.
        has_affinity = hasattr(os, "sched_getaffinity")
        num_own = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        num_workers = workers.num_workers or max(1, num_own // workers.num_threads)
        num_cores = num_workers * workers.num_threads
        settings |= {"num_cpus": num_cores, "include_dashboard": False}
    for start in range(1, NUM_STARTS + 1):
        try:
            ray.init(address=workers.address, **settings)
        except Exception as error:  # Ray raises plain Exception where a process of its own is slow
            ray.shutdown()
            if start < NUM_STARTS and "timed out" in str(error):
                continue
            raise BatchError(
                f"Ray cannot be started or found at {workers.address} ({_first_line(error)}); "
                f"expected {LOCAL}, auto, or the address of a cluster"
            ) from None
        return


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
