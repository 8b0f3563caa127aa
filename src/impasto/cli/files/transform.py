"""Files of a command: planned, transformed, reported; shared by `stylize` and `upscale`.

One picture: `steps`. One video: `video`. Names of outputs: `jobs`.
"""

import dataclasses
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import typer

from impasto.cli.display.console import (
    EXIT_FAILED_FILES,
    is_terminal,
    print_error,
    print_json,
    print_note,
    silent_libraries,
    usage_error,
)
from impasto.cli.display.progress import PictureProgress
from impasto.cli.files.jobs import PIPE, Job, check_outputs, plan_jobs
from impasto.cli.files.steps import JobRunner, make_folder
from impasto.cli.options import WritingOptions
from impasto.errors import ImpastoError, PictureFileError
from impasto.runtime.video.suffixes import is_video

if TYPE_CHECKING:
    from impasto.runtime.pipeline import Outcome
    from impasto.runtime.transformation import Transformation

JSON_KEYS = {"style-transfer": "style", "super-resolution": "model"}
"""The key of the model's name in JSON, by its task."""


@dataclass(frozen=True, slots=True)
class Report:
    """The jobs done, skipped and failed, as JSON has them."""

    done: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def note_failure(self, photo: object, error: ImpastoError) -> None:
        """Add a photograph that failed, and why."""
        self.failed.append({"photo": str(photo), "error": str(error)})


def transform_files(
    photos: list[str],
    output: str,
    load: "Callable[[], Transformation]",
    writing: WritingOptions,
) -> None:
    """Transform photographs, videos, folders of them and pipes; print what was done.

    Args:
        photos: as the command line gives them.
        output: a file, a folder or a pipe.
        load: opens the model; called after the files are checked, which takes less time.
        writing: how results are written and reported.

    Raises:
        typer.Exit: status 2 for an error of usage, 1 if some of several files failed.
        PictureFileError: the output folder cannot be written into.
    """
    if writing.skip_existing and writing.overwrite:
        raise usage_error("--skip-existing keeps what --overwrite replaces; give only one of them")
    report = Report()
    jobs = plan_jobs(photos, output, on_unreadable=report.note_failure, on_special=note_special)
    # Existing outputs that are skipped need no leave to be replaced; all else is checked.
    check_outputs(jobs, overwrite=writing.overwrite or writing.skip_existing)
    _check_formats(jobs, writing)
    _check_pipes(jobs, json=writing.json)
    # A folder inside that could not be listed has failed already: the others must still be done.
    are_many = len(jobs) > 1 or bool(report.failed)
    if writing.skip_existing:
        existing = {job for job in jobs if job.output != PIPE and Path(job.output).exists()}
        report.skipped.extend(
            {"photo": job.source, "picture": job.output} for job in jobs if job in existing
        )
        jobs = [job for job in jobs if job not in existing]
    model: dict[str, Any] = {}
    if jobs:
        transformation = load()
        predictor = transformation.predictor
        model[JSON_KEYS[predictor.card.task]] = predictor.name
        if are_many:
            _check_writable(Path(output))  # once, before the first picture
        _run_all(jobs, transformation, writing, report, are_many=are_many)
    if writing.json:
        print_json(model | dataclasses.asdict(report))
    if report.skipped:
        print_note(f"{len(report.skipped)} skipped, being there already")
    if report.failed:
        for failure in report.failed:
            print_error(failure["error"])
        print_error(f"{len(report.done)} done, {len(report.failed)} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def note_special(path: Path, kind: str) -> None:
    """Print that a path which is no file is left out."""
    print_error(f"{path} is {kind}, not a file; it is passed over")


def _check_formats(jobs: list[Job], writing: WritingOptions) -> None:
    """Refuse settings that a format does not have, before the work begins."""
    from impasto.images.files.io import check_encoding, format_named

    pictures = [job for job in jobs if not is_video(job.source)]
    suffixes = {".png" if job.output == PIPE else Path(job.output).suffix for job in pictures}
    # Sorted, so that of several errors always the same one is reported.
    for suffix in sorted(suffixes):
        check_encoding(
            format_named(suffix),
            quality=writing.quality,
            lossless=writing.lossless,
            bits=writing.bits_per_channel,
        )


def _check_pipes(jobs: list[Job], *, json: bool) -> None:
    for job in jobs:
        # Python has no stdin or stdout where the descriptor was closed at the start.
        if job.source == PIPE and (sys.stdin is None or is_terminal(sys.stdin)):
            raise usage_error("- reads a photograph from a pipe, and there is none; add < PHOTO")
        if job.output == PIPE and json:
            raise usage_error(
                "--json prints to the pipe that -o - writes the picture to; use only one"
            )
        if job.output == PIPE and (sys.stdout is None or is_terminal(sys.stdout)):
            raise usage_error("-o - writes a PNG to a pipe, and there is none; add > FILE")


def _run_all(
    jobs: list[Job],
    transformation: "Transformation",
    writing: WritingOptions,
    report: Report,
    *,
    are_many: bool,
) -> None:
    """Run every job. An error ends the command if it has one job, else it goes to the report."""
    with silent_libraries(), PictureProgress(len(jobs)) as progress:
        runner = JobRunner(transformation, writing, progress)
        if not are_many:
            # In this thread, which Ctrl-C reaches while a pipe is waited for.
            _note_done(jobs[0], runner.run(jobs[0]), report, runner)
            return
        # Closed in any case: an error must stop the threads of the pipeline.
        with closing(_outcomes(jobs, runner)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    error = runner.explained(outcome.item, outcome.error)
                    report.note_failure(outcome.item.source, error)
                else:
                    assert outcome.result is not None
                    _note_done(outcome.item, outcome.result, report, runner)
                progress.advance()


def _outcomes(
    jobs: list[Job], runner: JobRunner
) -> "Generator[Outcome[Job, dict[str, Any]], None, None]":
    """The outcomes of jobs, in order; pictures that fit into memory overlap in a pipeline."""
    from impasto.runtime.pipeline import run_pipeline

    # Groups of neighbours, so that outcomes keep the order of the jobs.
    for goes_by_file, group in groupby(jobs, runner.goes_by_file):
        if goes_by_file:
            yield from map(runner.outcome_of, group)
        else:
            yield from run_pipeline(
                group,
                read=runner.read,
                transform=runner.transform,
                write=runner.write,
                batching=runner.batching,
            )


def _note_done(job: Job, result: dict[str, Any], report: Report, runner: JobRunner) -> None:
    report.done.append(result)
    if not runner.writing.json and job.output != PIPE:
        runner.progress.say(job.output)


def _check_writable(folder: Path) -> None:
    make_folder(folder)
    try:
        # By writing: permissions do not tell of a read-only disk or a quota.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PictureFileError(f"cannot write into {folder} ({error.strerror})") from error
