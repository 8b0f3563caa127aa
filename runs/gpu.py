"""Train what is worth a GPU: the queue of `gpu_queue.txt`, several trainings side by side.

    runs/gpu.sh PHOTOS PAINTINGS OUT MINUTES [--tiny]

After MINUTES each training has written its model, card and curve to OUT, and a table is printed.
The same command goes on where the trainings stopped. Each is run by `one.sh`, with what it says in
OUT/NAME.log. SIGTERM or Ctrl-C ends all of them, with their checkpoints saved; a second one at
once. The exit status is 1 where a training failed.

Where the machine has NVIDIA's multi-process service, it runs as long as the queue does. Only the
standard library is used.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gpu_progress import pace_of, steps_of

HERE = Path(__file__).resolve().parent
MPS_CONTROL = "nvidia-cuda-mps-control"
MPS_FOLDER = "CUDA_MPS_PIPE_DIRECTORY"

SIDE_BY_SIDE = 8
"""Trainings at a time where the processor has 16 cores, two for each: one H200 is full then."""

TINY_STEPS = 20
TINY_STYLE = (
    "network.channels=[4,4,8]",
    "network.num_residual_blocks=1",
    "painting.short_side=32",
    "objective.num_probe_pictures=4",
)
TINY_UPSCALING = ("network.channels=4", "network.num_residual_blocks=1")
TINY_ANY_PAINTING = (
    "network.channels=[4,8]",
    "network.num_residual_blocks=1",
    "network.encoder_channels=[4,4,4,4,4]",
    "network.hidden_size=8",
    "paintings.held_out=[]",
    "objective.num_probe_pictures=4",
)
TINY_SETTINGS = {"style": TINY_STYLE, "styles": TINY_ANY_PAINTING, "sr": TINY_UPSCALING}
TINY_BATCH = 2
TINY_CROPS = {"style": 32, "styles": 32, "sr": 48}

TABLE_SECONDS = 2.0
"""Kept back from the trainings' limits for their programs to start, and for the table."""

MIN_SECONDS = 120.0
"""A training that would have less time is not started, nor one with a tenth of all minutes."""

LATE_SECONDS = 300.0
"""A training that goes on so long after its limit is told to end."""

INTERRUPTED = [
    status for number in (signal.SIGTERM, signal.SIGINT) for status in (128 + number, -number)
]
"""Exit statuses of a training that was told to end; negative ones before it could hear."""


class QueueError(Exception):
    """The queue, or what it needs, cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One line of the queue.

    Attributes:
        name: of the model file in OUT.
        kind: `style`, `styles` or `sr`, as the command has it.
        recipe: the recipe's file.
        start: the model that the training starts from.
        steps: optimiser steps, in one stage.
        crop: height and width of the training pictures.
        batch: pictures per step.
    """

    name: str
    kind: str
    recipe: Path
    start: str
    steps: int
    crop: int
    batch: int


@dataclass
class Training:
    """An entry of the queue in this call.

    Attributes:
        entry: what to train.
        output: the model file.
        process: its command; None before it is started.
        log_start: bytes that OUT/NAME.log had before this call.
    """

    entry: Entry
    output: Path
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0

    @property
    def log(self) -> Path:
        """What the command says."""
        return self.output.with_suffix(".log")

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def has_failed(self) -> bool:
        """Whether it ended by itself with an error."""
        if self.process is None or self.process.poll() is None:
            return False
        return self.process.returncode not in (0, *INTERRUPTED)


def main() -> int:
    """Run the queue and return the exit status."""
    options = options_of(sys.argv[1:])
    try:
        trainings = [
            Training(entry, options.out / f"{entry.name}.onnx") for entry in read_queue(options)
        ]
        options.out.mkdir(parents=True, exist_ok=True)
    except (QueueError, OSError) as error:
        say(f"gpu.sh: {error}")
        return 2
    signals = hear_signals()
    with multi_process_service() as environment:
        run(trainings, options, environment, signals)
    print(table(trainings))  # noqa: T201
    if signals:
        return 128 + signals[0]
    return int(any(training.has_failed for training in trainings))


def options_of(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command's words."""
    parser = argparse.ArgumentParser(prog="runs/gpu.sh", description="Run the queue of trainings.")
    parser.add_argument("photos", type=Path, help="folder of photographs, or tar shards")
    parser.add_argument("paintings", type=Path, help="folder of paintings, for any-painting lines")
    parser.add_argument("out", type=Path, help="folder for models, run folders and logs")
    parser.add_argument("minutes", type=float, help="for everything, starts and writing included")
    parser.add_argument(
        "--tiny",
        metavar="STEPS",
        type=int,
        nargs="?",
        const=TINY_STEPS,
        help=f"a trial: tiny networks and crops, {TINY_STEPS} steps unless told otherwise",
    )
    parser.add_argument(
        "--side-by-side",
        metavar="NUMBER",
        type=int,
        default=max(1, min(SIDE_BY_SIDE, num_cores() // 2)),
        help=f"trainings at a time; {SIDE_BY_SIDE}, but at most one for two cores",
    )
    parser.add_argument("--queue", type=Path, default=HERE / "gpu_queue.txt", help="another list")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these lines of the list")
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="of every new training, such as photos.description='My photographs'",
    )
    options = parser.parse_args(words)
    if not 0 < options.minutes < float("inf"):
        parser.error(f"MINUTES is {options.minutes:g}; expected a number above 0")
    if options.side_by_side < 1 or (options.tiny is not None and options.tiny < 1):
        parser.error("--side-by-side and --tiny take numbers above 0")
    return options


def read_queue(options: argparse.Namespace) -> list[Entry]:
    """Return the lines to train, in order.

    Raises:
        QueueError: a line is not as expected, or a name of `--only` is not in the list.
        OSError: the list cannot be read.
    """
    entries = []
    for number, line in enumerate(options.queue.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, kind, recipe, start, steps, crop, batch = words
            sizes = int(steps), int(crop), int(batch)
        except ValueError:
            raise QueueError(
                f"{options.queue}, line {number}: expected name, kind, recipe, start, steps, crop "
                f"and batch; it says {line.strip()!r}"
            ) from None
        if kind not in TINY_CROPS:
            kinds = " or ".join(TINY_CROPS)
            raise QueueError(f"{options.queue}, line {number}: {kind!r} is not {kinds}")
        if options.tiny is not None:
            start, sizes = "none", (options.tiny, TINY_CROPS[kind], TINY_BATCH)
        entries.append(Entry(name, kind, HERE.parent / recipe, start, *sizes))
    unknown = set(options.only or ()) - {entry.name for entry in entries}
    if unknown:
        raise QueueError(f"{options.queue} has no {', '.join(sorted(unknown))}")
    return [entry for entry in entries if not options.only or entry.name in options.only]


def hear_signals() -> list[int]:
    """Collect SIGTERM, SIGINT and SIGHUP in a list, from here on."""
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            signal.signal(number, hear)
    return heard


@contextlib.contextmanager
def multi_process_service() -> Iterator[dict[str, str]]:
    """Run NVIDIA's multi-process service, where there is one; yield the trainings' environment.

    It lies in a folder of its own, so that it is not mistaken for another user's. One that the
    environment names already is used as it is.
    """
    environment = dict(os.environ)
    if shutil.which(MPS_CONTROL) is None or MPS_FOLDER in environment:
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        mps = {**environment, MPS_FOLDER: folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        started = subprocess.run([MPS_CONTROL, "-d"], env=mps, check=False).returncode == 0
        if not started:
            say(f"{MPS_CONTROL} does not start; the trainings share the device without it")
        try:
            yield mps if started else environment
        finally:
            if started:
                subprocess.run([MPS_CONTROL], input=b"quit\n", env=mps, check=False)


def run(
    trainings: list[Training],
    options: argparse.Namespace,
    environment: dict[str, str],
    signals: list[int],
) -> None:
    """Train until the list is through, the minutes are over, or a signal says so."""
    end = time.monotonic() + 60 * options.minutes
    least = min(MIN_SECONDS, 6 * options.minutes)
    threads = str(max(1, num_cores() // options.side_by_side))
    environment = {"OMP_NUM_THREADS": threads, **environment}
    waiting, num_passed_on, is_told = list(trainings), 0, False
    try:
        while True:
            running = [training for training in trainings if training.is_running]
            seconds = end - time.monotonic()
            if waiting and not signals and seconds > least:
                if len(running) < options.side_by_side:
                    start(waiting.pop(0), options, environment, seconds)
                    continue
            elif not running:
                return
            # SIGTERM saves. After a second signal here, SIGINT is the second one there.
            while num_passed_on < len(signals):
                send(running, signal.SIGINT if num_passed_on else signal.SIGTERM)
                num_passed_on += 1
            if seconds < -LATE_SECONDS and not is_told:
                send(running, signal.SIGTERM)
                is_told = True
            time.sleep(0.1)
    finally:
        send([training for training in trainings if training.is_running], signal.SIGTERM)


def start(
    training: Training, options: argparse.Namespace, environment: dict[str, str], seconds: float
) -> None:
    """Start a training, or go on with it, in a session of its own: a terminal's Ctrl-C is ours."""
    entry = training.entry
    limit = max(seconds - TABLE_SECONDS, 1.0) / 60
    with training.log.open("ab") as log:
        training.log_start = log.tell()
        training.process = subprocess.Popen(
            [str(HERE / "one.sh"), str(training.output), *arguments(entry, options)],
            env={**environment, "TASK": entry.kind, "TIME_LIMIT": f"{limit:.4f}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    say(f"{entry.name}: begins, {limit:.1f} minutes; see {training.log}")


def arguments(entry: Entry, options: argparse.Namespace) -> list[str]:
    """Return the arguments of a new training; one that is resumed has them in its checkpoint."""
    stage = f"{{steps={entry.steps}, crop_size={entry.crop}, batch_size={entry.batch}}}"
    settings = [f"stages=[{stage}]"]
    if options.tiny is not None:
        settings += TINY_SETTINGS[entry.kind]
    words = ["--recipe", str(entry.recipe), "--photos", str(options.photos), "--init", entry.start]
    if entry.kind == "styles":
        words.insert(0, str(options.paintings))
    for setting in (*settings, *options.settings):
        words += ["--set", setting]
    return words


def send(trainings: list[Training], number: int) -> None:
    """Send a signal to the trainings that run."""
    for training in trainings:
        assert training.process is not None
        training.process.send_signal(number)


def table(trainings: list[Training]) -> str:
    """Return the table of all trainings: steps, pace, what remains, and how each ended."""
    rows = [("name", "steps", "steps/s", "remains", "")]
    for training in trainings:
        folder = training.output.with_suffix(".run")
        done, planned = steps_of(folder / "checkpoint.safetensors") or (0, training.entry.steps)
        pace, left = pace_of(folder / "log.jsonl"), planned - done
        rows.append(
            (
                training.entry.name,
                f"{done} of {planned}",
                f"{pace:.1f}" if pace else "",
                f"{left / pace / 60:.0f} min" if left and pace else f"{left} steps",
                ending_of(training, done, planned),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [map(str.ljust, row, widths) for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def ending_of(training: Training, done: int, planned: int) -> str:
    """Return in words how a training ended, by its exit status and checkpoint."""
    if training.has_failed:
        return f"failed: {last_line(training)}"
    if training.process is None:
        return "not started in this call"
    if training.process.returncode != 0:
        return "interrupted; checkpoint saved" if done else "interrupted before its first step"
    return "finished" if done == planned else "stopped in time; model written"


def last_line(training: Training) -> str:
    """Return the line that names a training's error."""
    said = training.log.read_bytes()[training.log_start :].decode("utf-8", "replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("impasto: ")]
    assert training.process is not None
    return (errors or lines or [f"exit status {training.process.returncode}"])[-1]


def num_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def say(line: str) -> None:
    """Print a line to stderr."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
