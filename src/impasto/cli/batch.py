"""`impasto batch`: pictures by the million, by a pool of workers, on one machine or a cluster."""

import contextlib
import dataclasses
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import (
    EXIT_FAILED_FILES,
    is_terminal,
    print_error,
    print_json,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched
from impasto.cli.display.progress import pictures_bar
from impasto.cli.files.transform import note_special
from impasto.cli.options import (
    Json,
    PaintingOptions,
    Precision,
    Quality,
    Scale,
    Size,
    StyleOptions,
    with_option_records,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from impasto.batch.job import BatchOutcome, BatchProgress
    from impasto.zoo.card import Task
    from impasto.zoo.model_file import ModelFile

MAX_FAILURES_TOLD = 20
SECONDS_BETWEEN_LINES = 10.0

BatchInput = Annotated[str, typer.Argument(metavar="INPUT", hidden=True)]
BatchOutput = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT", help="A folder, or OUT.parquet.")
]
BatchStyle = Annotated[
    str | None, typer.Option("--style", "-s", metavar="STYLE", help="Stylize in this style.")
]
BatchModel = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="Upscale by this model instead."),
]
BeginAnew = Annotated[
    bool, typer.Option("--overwrite", help="Begin anew, and replace files that exist.")
]
PictureFormat = Annotated[
    Literal["jpg", "png", "webp", "tif"] | None,
    typer.Option(
        "--format",
        metavar="jpg|png|webp|tif",
        help="Format of the results; default: that of each picture.",
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read the results of earlier calls and compare checksums.")
]


@dataclass(frozen=True, slots=True)
class ParquetOptions:
    """The columns of a Parquet; None lets its schema decide."""

    id_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of a Parquet that names its pictures."),
    ] = None
    bytes_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of a Parquet that holds its pictures."),
    ] = None


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The flags of `impasto.batch.cluster.Workers`."""

    address: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a Ray cluster; auto = the one here, local starts one.",
        ),
    ] = "local"
    workers: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="Number of workers; default: one per core."),
    ] = None
    threads_per_worker: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Threads of each worker.")
    ] = 1


@with_option_records
def batch(
    pictures: BatchInput,
    *,
    output: BatchOutput,
    style: BatchStyle = None,
    painting: PaintingOptions,
    model: BatchModel = None,
    scale: Scale = None,
    size: Size = None,
    looks: StyleOptions,
    precision: Precision = "auto",
    quality: Quality = 92,
    picture_format: PictureFormat = None,
    columns: ParquetOptions,
    pool: WorkerOptions,
    verify: Verify = False,
    overwrite: BeginAnew = False,
    json: Json = False,
) -> None:
    """Stylize or upscale pictures by the million, on this machine or a Ray cluster.

    INPUT is a folder, a text file with a path or URL on each line, or a Parquet with bytes;
    on a disk, or in an object store (s3://, gs://). The pictures go into the folder OUT with
    their names and nested folders, or into the Parquet OUT.parquet.

    OUT gets a manifest with a checksum of each picture. What it says is done, and is there, is
    not done again: the same command goes on after a stop. If some pictures fail, the others are
    done and the exit status is 1.
    """
    # Imported by the call, as in every command: --help and --version must not wait for Ray.
    from impasto.batch.cluster import Workers
    from impasto.batch.job import run_batch
    from impasto.batch.worker import BatchSettings

    model_file, task = _model_of(style, painting, model, scale)
    # A record equals its defaults as long as no flag of it was given another value.
    if task == "super-resolution" and (size, looks) != (None, StyleOptions()):
        raise usage_error("--size, --strength and --keep-colors are for styles; leave them out")
    # Ray says on stdout that a worker died; stdout is for results.
    with contextlib.redirect_stdout(sys.stderr), _Progress() as progress:
        outcome = run_batch(
            pictures,
            output,
            model_file,
            BatchSettings(task, looks.settings(size=size), precision, quality, picture_format),
            workers=Workers(pool.address, pool.workers, pool.threads_per_worker),
            **dataclasses.asdict(columns),
            overwrite=overwrite,
            verify=verify,
            on_progress=progress,
            on_special=note_special,
        )
    _say(outcome, json=json)
    if outcome.failed:
        raise typer.Exit(EXIT_FAILED_FILES)


def _model_of(
    style: str | None, painting: PaintingOptions, model: str | None, scale: int | None
) -> "tuple[ModelFile, Task]":
    from impasto.runtime.style_resolution import resolve_style
    from impasto.runtime.upscaler import resolve_upscaling_model

    if (style is None) == (model is None):
        raise usage_error("expected either --style STYLE, to stylize, or --model MODEL, to upscale")
    if model is not None:
        if painting != PaintingOptions():
            raise usage_error("--network and --stroke are for styles; leave them out")
        return resolve_upscaling_model(fetched(model), scale), "super-resolution"
    if scale is not None:
        raise usage_error(
            "--scale is for upscaling; leave it out, or give --model in place of --style"
        )
    assert style is not None
    return resolve_style(fetched(style), **painting.settings()), "style-transfer"


def _say(outcome: "BatchOutcome", *, json: bool) -> None:
    if json:
        failed = [{"picture": row.source, "error": row.error} for row in outcome.failed]
        counts = {"done": outcome.num_done, "skipped": outcome.num_skipped}
        print_json({"manifest": outcome.manifest, **counts, "failed": failed})
    else:
        print_result(outcome.manifest)
    # Of millions of pictures thousands may fail; the manifest has all of them.
    for row in outcome.failed[:MAX_FAILURES_TOLD]:
        print_error(f"{row.source}: {row.error}")
    if len(outcome.failed) > MAX_FAILURES_TOLD:
        print_error(f"and {len(outcome.failed) - MAX_FAILURES_TOLD} more, as the manifest says")
    before = f", {outcome.num_skipped} were done before" if outcome.num_skipped else ""
    print_note(f"{outcome.num_done} done{before}, {len(outcome.failed)} failed")


class _Progress:
    """A bar on a terminal, else a line every few seconds."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._started = time.monotonic()
        self._told = self._started
        if is_terminal(sys.stderr):
            self._bar = pictures_bar()
            self._task = self._bar.add_task("pictures", total=None)

    def __enter__(self) -> "_Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: "BatchProgress") -> None:
        num = progress.num_done + progress.num_failed
        if self._bar is not None:
            self._bar.update(self._task, completed=num, total=progress.num_pictures)
        elif time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            # Of the whole run, not of the last interval: results come in bursts, a task at a time.
            pace = num / (self._told - self._started)
            failed = f"{progress.num_failed} failed"
            print_note(f"{num} of {progress.num_pictures}, {failed}, {pace:.2f} a second")
