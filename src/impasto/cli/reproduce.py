"""`impasto reproduce`: the claims of the paper and of the report, measured again."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import (
    EXIT_FAILED_FILES,
    print_error,
    print_note,
    print_result,
    usage_error,
)
from impasto.errors import DataError, ImpastoError, TrainingInterrupted

if TYPE_CHECKING:
    from impasto.reproduction.claim import Effort, Settings

EXAMPLE_PHOTOS = Path("examples/photos")
EXAMPLE_PAINTINGS = Path("examples/paintings")
ALL = "all"


def reproduce(
    targets: Annotated[list[str] | None, typer.Argument(metavar="TARGET", hidden=True)] = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the results go.")
    ] = Path("benchmarks/reproduction"),
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All of it: hours. Quick (default): minutes.")
    ] = False,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Seconds: shows that it works, measures nothing.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", min=0, help="Begin nothing after so many, for each target."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photographs to measure on.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photographs to train on; else --photos.")
    ] = None,
    paintings: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The paintings of the styles.")
    ] = EXAMPLE_PAINTINGS,
    styles: Annotated[
        list[str] | None,
        typer.Option("--style", "-s", metavar="STYLE", help="A model; repeat for several."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Test sets for super-resolution.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="For super-resolution; repeat for several."),
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Boxes around people and animals, JSON.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(metavar="auto|cpu|cuda", help="auto takes a GPU where there is one."),
    ] = "auto",
    list_targets: Annotated[
        bool, typer.Option("--list", help="Say what there is, and end.")
    ] = False,
) -> None:
    """Measure the claims of the paper again, one TARGET for each, or all of them.

    Each writes TARGET.md, TARGET.json and pictures, and keeps what it measured in TARGET.run: the
    same command goes on after a stop, and does nothing twice.
    """
    from impasto.reproduction.catalogue import CLAIMS, find_claim
    from impasto.reproduction.claim import Settings

    if list_targets:
        for name, claim in CLAIMS.items():
            print_result(f"{name}: {claim.STATEMENT}")
        return
    if not targets:
        raise usage_error(f"no target was given; expected all, or some of {', '.join(CLAIMS)}")
    if tiny and full:
        raise usage_error("--tiny and --full were both given; use only one")
    names = list(CLAIMS) if ALL in targets else list(dict.fromkeys(targets))
    for name in names:
        find_claim(name)
    effort: Effort = "tiny" if tiny else "full" if full else "quick"
    shown = EXAMPLE_PHOTOS if EXAMPLE_PHOTOS.is_dir() else photos
    measured = photos or EXAMPLE_PHOTOS
    settings = Settings(
        effort=effort,
        photos=_pictures(measured),
        shown=_pictures(shown or measured),
        training=training or measured,
        paintings=paintings,
        styles=tuple(styles) if styles else None,
        data=data,
        models=tuple(models or ()),
        boxes=boxes,
        device=device,
    )
    _run_all(names, settings, output, minutes)


def _pictures(folder: Path) -> tuple[Path, ...]:
    from impasto.images.files.io import list_pictures

    found = tuple(list_pictures(folder)) if folder.is_dir() else ()
    if not found:
        raise DataError(
            f"there are no photographs in {folder}; give --photos with a folder of some"
        )
    return found


def _run_all(names: list[str], settings: "Settings", output: Path, minutes: float | None) -> None:
    """Measure targets; one that lacks something ends a single one, and is noted among several."""
    from impasto.reproduction.catalogue import reproduce as measure

    failed = 0
    for name in names:
        print_note(f"{name} ({settings.effort})")
        try:
            command = _command(name, settings)
            files = measure(name, settings, output, command=command, minutes=minutes, tell=_unit)
        except TrainingInterrupted:
            raise
        except ImpastoError as error:
            if len(names) == 1:
                raise
            failed += 1
            print_error(f"{name}: {error}")
        else:
            for file in files:
                print_result(str(file))
    if failed:
        print_error(f"{len(names) - failed} done, {failed} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def _unit(words: str) -> None:
    print_note(f"  {words}")


def _command(name: str, settings: "Settings") -> str:
    """The command without the folders of this machine."""
    words = ["impasto", "reproduce", name, f"--{settings.effort}"]
    folders = {
        "--photos": settings.photos[0].parent,
        "--training": settings.training,
        "--data": settings.data,
        "--boxes": settings.boxes,
    }
    for option, place in folders.items():
        is_default = option == "--training" and place == folders["--photos"]
        if place is not None and place != EXAMPLE_PHOTOS and not is_default:
            words += [option, place.name]
    for option, values in (("--style", settings.styles), ("--model", settings.models)):
        for value in values or ():
            words += [option, Path(value).name]
    return shlex.join(words)
