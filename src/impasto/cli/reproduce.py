"""`impasto reproduce`: the claims of the paper and of the report, measured again.

Flags and printing live here; the measurements are `impasto.reproduction`'s.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.cli.display.console import (
    EXIT_FAILED_FILES,
    print_error,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.options import Device, with_option_records
from impasto.errors import DataError, ImpastoError, TrainingInterrupted

if TYPE_CHECKING:
    from impasto.reproduction.claim import Effort, Settings

# In a checkout of the project; the installed package has no examples.
EXAMPLE_PHOTOS = Path("examples/photos")
EXAMPLE_PAINTINGS = Path("examples/paintings")
ALL = "all"


@dataclass(frozen=True, slots=True)
class EffortOptions:
    """Flags that say how much to measure."""

    full: Annotated[
        bool, typer.Option("--full/--quick", help="Measure for hours; --quick takes minutes.")
    ] = False
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Run for seconds, to show that it works.")
    ] = False

    def effort(self) -> "Effort":
        """The effort that was asked for.

        Raises:
            typer.Exit: both flags were given.
        """
        if self.tiny and self.full:
            raise usage_error("--tiny and --full were both given; use only one")
        if self.tiny:
            return "tiny"
        return "full" if self.full else "quick"


@dataclass(frozen=True, slots=True)
class MaterialOptions:
    """Flags that say what to measure on: photographs, paintings, models, the device."""

    photos: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photographs to measure on.")
    ] = None
    training: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Photographs to train on; default: --photos."),
    ] = None
    paintings: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the styles' paintings.")
    ] = EXAMPLE_PAINTINGS
    styles: Annotated[
        list[str] | None,
        typer.Option("--style", "-s", metavar="STYLE", help="Style model; repeatable."),
    ] = None
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Test sets for super-resolution.")
    ] = None
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="Super-resolution model; repeatable."),
    ] = None
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Boxes around people and animals, JSON.")
    ] = None
    device: Device = "auto"

    def settings(self, effort: "Effort") -> "Settings":
        """What every claim is measured with.

        Raises:
            DataError: a folder has no photographs.
        """
        from impasto.reproduction.claim import Settings

        measured = self.photos or EXAMPLE_PHOTOS
        # Published pictures show the examples, not the user's own photographs.
        published = EXAMPLE_PHOTOS if EXAMPLE_PHOTOS.is_dir() else measured
        return Settings(
            effort=effort,
            photos=_pictures(measured),
            shown=_pictures(published),
            training=self.training or measured,
            paintings=self.paintings,
            styles=tuple(self.styles) if self.styles else None,
            data=self.data,
            models=tuple(self.models or ()),
            boxes=self.boxes,
            device=self.device,
        )


@with_option_records
def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(metavar="CLAIM", hidden=True)] = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")
    ] = Path("benchmarks/reproduction"),
    measured: EffortOptions,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", min=0, help="Minutes after which no more work on a claim begins."
        ),
    ] = None,
    material: MaterialOptions,
    list_claims: Annotated[bool, typer.Option("--list", help="List the claims and exit.")] = False,
) -> None:
    """Measure the paper's claims again: some by their names, or all.

    Each writes CLAIM.md, CLAIM.json and pictures. Measurements stay in CLAIM.run: the same command
    continues after a stop, and measures nothing twice.
    """
    from impasto.reproduction.catalogue import CLAIMS, find_claim

    if list_claims:
        for name, claim in CLAIMS.items():
            print_result(f"{name}: {claim.STATEMENT}")
        return
    if not claims:
        raise usage_error(f"no claim was given; expected all, or some of {', '.join(CLAIMS)}")
    effort = measured.effort()
    names = list(CLAIMS) if ALL in claims else list(dict.fromkeys(claims))
    for name in names:
        # A misspelt name ends the command before the first claim takes its hours.
        find_claim(name)
    _measure_all(names, material.settings(effort), output, minutes)


def _pictures(folder: Path) -> tuple[Path, ...]:
    from impasto.images.files.io import list_pictures

    paths = tuple(list_pictures(folder)) if folder.is_dir() else ()
    if not paths:
        raise DataError(
            f"there are no photographs in {folder}; give --photos with a folder of some"
        )
    return paths


def _measure_all(
    names: list[str], settings: "Settings", output: Path, minutes: float | None
) -> None:
    """Measure claims; an error ends the command for a single one, and is noted among several."""
    from impasto.reproduction import catalogue

    num_failed = 0
    for name in names:
        print_note(f"{name} ({settings.effort})")
        try:
            files = catalogue.reproduce(
                name,
                settings,
                output,
                command=_command(name, settings),
                minutes=minutes,
                tell=lambda unit: print_note(f"  {unit}"),
            )
        except TrainingInterrupted:
            raise  # Ctrl-C is for all claims, and not a failure of this one
        except ImpastoError as error:
            if len(names) == 1:
                raise
            num_failed += 1
            print_error(f"{name}: {error}")
        else:
            for file in files:
                print_result(str(file))
    if num_failed:
        print_error(f"{len(names) - num_failed} done, {num_failed} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def _command(name: str, settings: "Settings") -> str:
    """The command without the folders of this machine: it is published with the results."""
    words = ["impasto", "reproduce", name, f"--{settings.effort}"]
    paths = {
        "--photos": settings.photos[0].parent,
        "--training": settings.training,
        "--data": settings.data,
        "--boxes": settings.boxes,
    }
    for option, path in paths.items():
        # `settings` gives the training the folder of --photos, which is said once.
        is_default = option == "--training" and path == paths["--photos"]
        if path is not None and path != EXAMPLE_PHOTOS and not is_default:
            words += [option, path.name]
    for option, values in (("--style", settings.styles), ("--model", settings.models)):
        for value in values or ():
            words += [option, Path(value).name]
    return shlex.join(words)
