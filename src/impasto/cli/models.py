"""`impasto models`: what there is, what it is, and the user's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.console import answer, answer_json, fail, one_line_errors, tell
from impasto.cli.downloads import fetched

if TYPE_CHECKING:
    from impasto.zoo.card import ModelCard
    from impasto.zoo.registry import ModelEntry

app = typer.Typer(rich_markup_mode=None)

ModelFileArgument = Annotated[Path, typer.Argument(metavar="FILE", hidden=True)]


@app.callback(invoke_without_command=True)
@one_line_errors
def list_all(
    context: typer.Context,
    *,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw what each style makes of a photograph."),
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="The photograph for the sheet, in place of a cat."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sheet that exists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List models, show their cards, add and remove your own.

    Without a command, lists the models that can be called by name.
    """
    if context.invoked_subcommand is not None:
        if sheet or photo or overwrite or json:
            command = context.invoked_subcommand
            raise fail(f"give options after the command: impasto models {command} ...")
        return
    if sheet is None and (photo or overwrite):
        raise fail("--photo and --overwrite are for a sheet; add --sheet FILE")
    from impasto.zoo.registry import list_models

    entries = list_models()
    if sheet is not None:
        _draw_sheet(entries, sheet, photo=photo, overwrite=overwrite)
    if json:
        answer_json([_row(entry) for entry in entries])
    else:
        _print_table(entries)
    if sheet is not None:
        (tell if json else answer)(str(sheet))


@app.command(no_args_is_help=True)
@one_line_errors
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", hidden=True)],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Print a model's card.

    MODEL is a name, a file or an address.
    """
    from impasto.zoo.registry import resolve_model

    found = resolve_model(fetched(model))
    if json:
        answer_json(found.card.model_dump(mode="json"))
        return
    size = f"{len(found.data) / 1e6:.2f} MB"
    for label, value in (*_facts(found.card), ("file", f"{found.path}, {size}")):
        answer(f"{label:<24}{value}")


@app.command(no_args_is_help=True)
@one_line_errors
def add(
    file: Annotated[str, typer.Argument(metavar="FILE", hidden=True)],
    *,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it, if not as its card does.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model of that name.")
    ] = False,
) -> None:
    """Copy a model file to your own models, to call it by name.

    FILE is a file or an address.
    """
    from impasto.zoo.registry import add_model

    entry = add_model(fetched(file), name=name, overwrite=overwrite)
    answer(f"{entry.name}: {entry.path}")


@app.command(no_args_is_help=True)
@one_line_errors
def remove(name: Annotated[str, typer.Argument(metavar="NAME", hidden=True)]) -> None:
    """Delete one of your own models, or what an address has left among the downloads."""
    from impasto.zoo.registry import remove_model

    answer(f"removed {remove_model(name)}")


@app.command(no_args_is_help=True)
@one_line_errors
def upgrade(
    file: ModelFileArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="A new file; in place by default."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = False,
) -> None:
    """Rebuild a model file's graph from its weights, in today's format."""
    if output is not None and output.exists() and not overwrite:
        raise fail(f"{output} exists already; give another name, or --overwrite")
    from impasto.export import upgrade_model

    answer(str(upgrade_model(file, output or file).path))


@app.command(no_args_is_help=True)
@one_line_errors
def tiles(
    model: Annotated[str, typer.Argument(metavar="MODEL", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The file to write.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = False,
) -> None:
    """Write a style's graph with its statistics outside, for tiles in other runtimes.

    MODEL is a name, a file or an address. Impasto itself makes tiles of the model file.
    """
    if output.exists() and not overwrite:
        raise fail(f"{output} exists already; give another name, or --overwrite")
    from impasto.tiled_model import write_tiled_model
    from impasto.zoo.registry import resolve_model

    path = resolve_model(fetched(model)).path
    assert path is not None  # named models and files have one
    write_tiled_model(path, output)
    answer(str(output))


@app.command("import", no_args_is_help=True)
@one_line_errors
def import_(
    file: ModelFileArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The model file to write.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the model, if not as its file.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Its name for people.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = False,
) -> None:
    """Make a model file of a checkpoint that another program has trained.

    FILE is a checkpoint (.pth) of fast_neural_style in pytorch/examples.
    """
    if output.exists() and not overwrite:
        raise fail(f"{output} exists already; give another name, or --overwrite")
    from impasto.foreign_checkpoint import import_checkpoint

    answer(str(import_checkpoint(file, output, name=name, title=title).path))


def _draw_sheet(
    entries: "list[ModelEntry]", sheet: Path, *, photo: Path | None, overwrite: bool
) -> None:
    from impasto.runtime.thumbnails import save_thumbnail_sheet

    for problem in save_thumbnail_sheet(entries, sheet, photo=photo, overwrite=overwrite):
        tell(f"impasto: left out of the sheet: {problem}")


def _row(entry: "ModelEntry") -> dict[str, Any]:
    card = None if entry.card is None else entry.card.model_dump(mode="json")
    return {
        "name": entry.name,
        "released": entry.released,
        "path": str(entry.path),
        "problem": entry.problem,
        "card": card,
    }


def _print_table(entries: "list[ModelEntry]") -> None:
    from impasto.zoo.registry import user_models_folder

    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        if entry.card is None:
            what = f"cannot be used: {entry.problem}"
        else:
            artist = entry.card.painting.artist if entry.card.painting else None
            what = f"{entry.card.task}: {entry.card.title}" + (f", {artist}" if artist else "")
        answer(f"{entry.name:<{width}}  {'shipped' if entry.released else 'yours  '}  {what}")
    tell(f"Your own models are in {user_models_folder()}; 'impasto models add FILE' adds one.")


def _facts(card: "ModelCard") -> list[tuple[str, str]]:
    licences = card.licences
    facts = [("name", card.name), ("title", card.title), ("task", card.task)]
    if card.painting is not None:
        painting = card.painting
        caption = ", ".join(filter(None, (painting.title, painting.artist, painting.year)))
        facts += [("painting", caption), ("painting seen at", f"short side {painting.short_side}")]
    return [
        *facts,
        ("network", _network_in_words(card)),
        *_origin(card),
        ("created", f"{card.created} by impasto {card.impasto_version}"),
        ("licence of code", licences.code),
        ("licence of weights", licences.weights),
        *([("licence of painting", licences.painting)] if licences.painting else []),
        ("licence of photographs", licences.training_photographs),
        ("commercial use", f"{licences.commercial_use}: {licences.note}".rstrip(": ")),
    ]


def _origin(card: "ModelCard") -> list[tuple[str, str]]:
    """How the model was trained, or where it came from."""
    if card.imported is not None:
        return [
            ("trained by", card.imported.program),
            ("imported from", f"{card.imported.file}, sha256 {card.imported.sha256}"),
        ]
    training = card.training
    assert training is not None
    number = training.num_photographs
    return [
        ("photographs", training.dataset),
        *([] if number is None else [("usable photographs", str(number))]),
        ("trained for", f"{training.steps} steps, {training.minutes:g} minutes"),
        ("trained with", training.hardware),
        ("losses reached", ", ".join(f"{k} {v:.4g}" for k, v in training.losses.items())),
        ("seed", str(training.seed)),
    ]


def _network_in_words(card: "ModelCard") -> str:
    architecture = card.architecture
    given = architecture.channels
    words = [architecture.kind, "-".join(map(str, given if isinstance(given, tuple) else (given,)))]
    if hasattr(architecture, "num_residual_blocks"):
        words.append(f"{architecture.num_residual_blocks} residual blocks")
    return ", ".join(words)
