"""Files in, pictures transformed, files out: what `stylize` and `upscale` have in common.

What is done for one of them is in `steps`, what is particular to films in `clips`.
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
from impasto.cli.files.jobs import PIPE, Job, check_targets, plan_jobs
from impasto.cli.files.steps import Steps, make_folder
from impasto.cli.options import WritingOptions
from impasto.errors import ImpastoError, PictureFileError
from impasto.runtime.video.suffixes import is_clip

if TYPE_CHECKING:
    from impasto.runtime.pipeline import Outcome as Done
    from impasto.runtime.transformation import Transformation


JSON_KEYS = {"style-transfer": "style", "super-resolution": "model"}
"""What JSON calls the model, by its task."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, passed over and not done, each as JSON has it."""

    done: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def note_failure(self, photo: object, error: ImpastoError) -> None:
        """Remember what failed, and why."""
        self.failed.append({"photo": str(photo), "error": str(error)})


def transform_files(
    photos: list[str],
    output: str,
    load: "Callable[[], Transformation]",
    writing: WritingOptions,
) -> None:
    """Transform photographs, folders of them and pipes; say what was done.

    Args:
        photos: as the command line gives them.
        output: a file, a folder or a pipe.
        load: opens the model, once all that can be wrong with the places is known.
        writing: how to write.

    Raises:
        typer.Exit: with status 2 for what cannot be done, 1 when some of several failed.
    """
    if writing.skip_existing and writing.overwrite:
        raise usage_error("--skip-existing keeps what --overwrite replaces; give only one of them")
    outcome = Outcome()
    jobs = plan_jobs(photos, output, on_unreadable=outcome.note_failure, on_special=tell_of_special)
    check_targets(jobs, overwrite=writing.overwrite or writing.skip_existing)
    _check_formats(jobs, writing)
    _check_pipes(jobs, json=writing.json)
    are_many = len(jobs) > 1 or bool(outcome.failed)
    if writing.skip_existing:
        jobs = _without_existing(jobs, outcome)
    report: dict[str, Any] = {}
    if jobs:
        transformation = load()
        predictor = transformation.predictor
        report[JSON_KEYS[predictor.card.task]] = predictor.name
        if are_many:
            _check_folder(Path(output))  # here, once, and not with every picture
        _run_all(jobs, transformation, writing, outcome, are_many=are_many)
    if writing.json:
        print_json(report | dataclasses.asdict(outcome))
    _conclude(outcome)


def tell_of_special(path: Path, kind: str) -> None:
    """Say that what is no file is passed over."""
    print_error(f"{path} is {kind}, not a file; it is passed over")


def _without_existing(jobs: list[Job], outcome: Outcome) -> list[Job]:
    """The jobs whose pictures are not there yet; the others are noted as skipped."""
    left = [job for job in jobs if job.target == PIPE or not Path(job.target).exists()]
    outcome.skipped.extend(
        {"photo": job.source, "picture": job.target} for job in jobs if job not in left
    )
    return left


def _conclude(outcome: Outcome) -> None:
    """Say at the end what was not done, and why; exit with 1 where something failed."""
    if outcome.skipped:
        print_note(f"{len(outcome.skipped)} skipped, being there already")
    if outcome.failed:
        for failure in outcome.failed:
            print_error(failure["error"])
        print_error(f"{len(outcome.done)} done, {len(outcome.failed)} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def _check_formats(jobs: list[Job], writing: WritingOptions) -> None:
    """Refuse before the work begins what a format cannot hold."""
    from impasto.images.files.io import check_encoding, format_named

    pictures = [job for job in jobs if not is_clip(job.source)]
    suffixes = {".png" if job.target == PIPE else Path(job.target).suffix for job in pictures}
    for suffix in sorted(suffixes):
        check_encoding(
            format_named(suffix),
            quality=writing.quality,
            lossless=writing.lossless,
            bits=writing.bits_per_channel,
        )


def _check_pipes(jobs: list[Job], *, json: bool) -> None:
    for job in jobs:
        if job.source == PIPE and (sys.stdin is None or is_terminal(sys.stdin)):
            raise usage_error("- reads a photograph from a pipe, and there is none; add < PHOTO")
        if job.target == PIPE and json:
            raise usage_error(
                "--json prints to the pipe that -o - writes the picture to; use only one"
            )
        if job.target == PIPE and (sys.stdout is None or is_terminal(sys.stdout)):
            raise usage_error("-o - writes a PNG to a pipe, and there is none; add > FILE")


def _run_all(
    jobs: list[Job],
    transformation: "Transformation",
    writing: WritingOptions,
    outcome: Outcome,
    *,
    are_many: bool,
) -> None:
    """Do every job; a failure ends a single one with its error, and is noted among several."""
    with silent_libraries(), PictureProgress(len(jobs)) as progress:
        steps = Steps(transformation, writing, progress)
        if not are_many:  # in this thread, which Ctrl-C reaches while a pipe is waited for
            _note_done(jobs[0], steps.all_for(jobs[0]), outcome, steps)
            return
        with closing(_outcomes(jobs, steps)) as outcomes:
            for done in outcomes:
                if done.error is not None:
                    outcome.note_failure(done.item.source, steps.known(done.item, done.error))
                else:
                    assert done.result is not None
                    _note_done(done.item, done.result, outcome, steps)
                progress.advance()


def _outcomes(jobs: list[Job], steps: Steps) -> "Generator[Done[Job, dict[str, Any]], None, None]":
    """What became of the jobs, in order; those read whole overlap with their neighbours."""
    from impasto.runtime.pipeline import run_pipeline

    for goes_by_file, group in groupby(jobs, steps.goes_by_file):
        if goes_by_file:
            yield from map(steps.one_by_one, group)
        else:
            yield from run_pipeline(
                group,
                read=steps.read,
                transform=steps.transform,
                write=steps.write,
                batching=steps.batching,
            )


def _note_done(job: Job, result: dict[str, Any], outcome: Outcome, steps: Steps) -> None:
    outcome.done.append(result)
    if not steps.writing.json and job.target != PIPE:
        steps.progress.say(job.target)


def _check_folder(folder: Path) -> None:
    make_folder(folder)
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PictureFileError(f"cannot write into {folder} ({error.strerror})") from error
