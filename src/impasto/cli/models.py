"""`impasto models`: list models, show their cards, add and remove the user's own.

Flags and printing live here; models are found by `impasto.zoo.registry`. Commands that make another
model file of a file: `model_conversions`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli import model_conversions
from impasto.cli.display.console import (
    one_line_errors,
    print_json,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched
from impasto.cli.model_conversions import ModelArgument, quantization_in_words
from impasto.cli.options import Network, Overwrite

if TYPE_CHECKING:
    from impasto.zoo.card import ModelCard
    from impasto.zoo.model_file import ModelFile
    from impasto.zoo.registry import ModelEntry
    from impasto.zoo.style_table import NamedStyle

app = typer.Typer(rich_markup_mode=None)

# Without a name: its commands are those of `impasto models`.
app.add_typer(model_conversions.app)


@app.callback(invoke_without_command=True)
@one_line_errors
def list_all(
    context: typer.Context,
    *,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Contact sheet to draw: a photograph in each style."),
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="Photograph for the sheet; default: a cat."),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C,D", help="Draw the sheet of mixtures of these four styles instead."
        ),
    ] = None,
    network: Network = None,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List models, show their cards, add and remove your own.

    Without a command, lists the models that can be called by name, and below a network for any
    painting the styles that it holds. A, B, C and D are such styles, or paintings' files.
    """
    # click runs this before each subcommand as well.
    if context.invoked_subcommand is not None:
        if sheet or photo or mix or network or overwrite or json:
            command = context.invoked_subcommand
            raise usage_error(f"give options after the command: impasto models {command} ...")
        return
    if sheet is None and (photo or mix or overwrite):
        raise usage_error("--photo, --mix and --overwrite are for a sheet; add --sheet FILE")
    if network is not None and mix is None:
        raise usage_error("--network is for a sheet of mixtures; add --mix A,B,C,D")
    if sheet is not None and mix is not None:
        if json:
            raise usage_error("--json prints the list of models; leave it out with --mix")
        _draw_mixtures(mix, sheet, network=network, photo=photo, overwrite=overwrite)
        return
    from impasto.zoo.registry import list_models

    entries = list_models()
    if sheet is not None:
        from impasto.runtime.thumbnails import save_thumbnail_sheet

        for problem in save_thumbnail_sheet(entries, sheet, photo=photo, overwrite=overwrite):
            print_note(f"impasto: left out of the sheet: {problem}")
    if json:
        print_json([_row(entry) for entry in entries])
    else:
        _print_table(entries)
    if sheet is not None:
        # Beside JSON, stdout holds nothing else.
        (print_note if json else print_result)(str(sheet))


def _draw_mixtures(
    mix: str, sheet: Path, *, network: str | None, photo: Path | None, overwrite: bool
) -> None:
    from impasto.runtime.thumbnails import save_mixture_sheet

    corners = [corner.strip() for corner in mix.split(",")]
    network = None if network is None else fetched(network)
    save_mixture_sheet(corners, sheet, network=network, photo=photo, overwrite=overwrite)
    print_result(str(sheet))


@app.command(no_args_is_help=True)
@one_line_errors
def show(
    model: ModelArgument,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Print a model's card.

    MODEL is a name, a file or a URL, or the name of a style that the network for any painting
    holds.
    """
    from impasto.zoo.registry import display_name, is_released

    file = _model_or_named_style(fetched(model))
    if json:
        print_json(file.card.model_dump(mode="json"))
        return
    size = f"{len(file.data) / 1e6:.2f} MB"
    origin = "ships with Impasto" if is_released(file) else "your own"
    # Anyone can write the name of a shipped model on a card.
    if display_name(file) != file.card.name:
        origin = f"your own, not the {file.card.name} that ships with Impasto"
    for label, value in (
        *_facts(file.card),
        *_styles_in(file),
        ("file", f"{file.path}, {size}"),
        ("origin", origin),
    ):
        print_result(f"{label:<24}{value}")


@app.command(no_args_is_help=True)
@one_line_errors
def add(
    file: Annotated[str, typer.Argument(metavar="FILE", hidden=True)],
    *,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name to add it under; default: its card's.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace your model of that name.")
    ] = False,
) -> None:
    """Copy a model file to your own models, to use it by name.

    FILE is a file or a URL.
    """
    from impasto.zoo.registry import add_model

    entry = add_model(fetched(file), name=name, overwrite=overwrite)
    print_result(f"{entry.name}: {entry.path}")


@app.command(no_args_is_help=True)
@one_line_errors
def remove(name: Annotated[str, typer.Argument(metavar="NAME", hidden=True)]) -> None:
    """Delete one of your own models, or a downloaded one by its URL."""
    from impasto.zoo.registry import remove_model

    print_result(f"removed {remove_model(name)}")


def _model_or_named_style(name: str) -> "ModelFile":
    from impasto.errors import UnknownModelError
    from impasto.zoo.names import ANY_PAINTING
    from impasto.zoo.registry import is_model_name, resolve_model

    try:
        return resolve_model(name)
    except UnknownModelError:
        if not is_model_name(ANY_PAINTING):
            raise
    from impasto.runtime.network_styles import open_network
    from impasto.zoo.registry import unknown_model

    styles = open_network()
    if name not in styles.names:
        raise unknown_model(name, styles=styles.names)
    return styles.model(styles.named(name))


def _row(entry: "ModelEntry") -> dict[str, Any]:
    card = None if entry.card is None else entry.card.model_dump(mode="json")
    styles = {
        name: style.model_dump(mode="json", include={"title", "painting"})
        for name, style in entry.styles.items()
    }
    return {
        "name": entry.name,
        "released": entry.released,
        "path": str(entry.path),
        "problem": entry.problem,
        "card": card,
        **({"styles": styles} if styles else {}),
    }


def _print_table(entries: "list[ModelEntry]") -> None:
    from impasto.zoo.names import ANY_PAINTING
    from impasto.zoo.registry import user_models_folder

    names = [name for entry in entries for name in (entry.name, *entry.styles)]
    width = max(map(len, names), default=0)
    model_names = {entry.name for entry in entries}
    for entry in entries:
        if entry.card is None:
            # Listed all the same: a model that vanished would be looked for.
            description = f"cannot be used: {entry.problem}"
        else:
            description = f"{entry.card.task}: {_caption(entry.card)}"
        owner = "shipped" if entry.released else "yours  "
        is_network = entry.card is not None and entry.card.architecture.kind == "any-painting"
        about = "; --style takes any painting's file, or a name below" if is_network else ""
        print_result(f"{entry.name:<{width}}  {owner}  {description}{about}")
        for name, style in entry.styles.items():
            # By the name alone, a model or the usual network would be meant.
            is_hidden = name in model_names or entry.name != ANY_PAINTING
            needed = f" (with --network {entry.name})" if is_hidden else ""
            print_result(f"{name:<{width}}  a style  {_caption(style)}{needed}")
    print_note(
        f"Your own models are in {user_models_folder()}; 'impasto models add FILE' adds one."
    )


def _caption(titled: "ModelCard | NamedStyle") -> str:
    artist = titled.painting.artist if titled.painting else None
    return ", ".join(filter(None, (titled.title, artist)))


def _styles_in(model: "ModelFile") -> list[tuple[str, str]]:
    """The names that a network for any painting holds; nothing for a model of one style."""
    if model.card.architecture.kind != "any-painting" or model.card.painting is not None:
        return []
    from impasto.zoo.style_vectors import read_style_network

    return [("styles", ", ".join(read_style_network(model).table.styles) or "none")]


def _facts(card: "ModelCard") -> list[tuple[str, str]]:
    licences, architecture = card.licences, card.architecture
    channels = architecture.channels
    widths = channels if isinstance(channels, tuple) else (channels,)
    network = [architecture.kind, "-".join(map(str, widths))]
    if hasattr(architecture, "num_residual_blocks"):
        network.append(f"{architecture.num_residual_blocks} residual blocks")
    facts = [("name", card.name), ("title", card.title), ("task", card.task)]
    if card.painting is not None:
        painting = card.painting
        caption = ", ".join(filter(None, (painting.title, painting.artist, painting.year)))
        facts += [("painting", caption), ("painting seen at", f"short side {painting.short_side}")]
    if card.paintings is not None:
        paintings = card.paintings
        facts.append(("paintings", f"{paintings.num_paintings}; {paintings.description}"))
        facts.append(("not trained on", ", ".join(paintings.held_out) or "none was held out"))
    return [
        *facts,
        ("network", ", ".join(network)),
        *([("quantized", quantization_in_words(card.quantization))] if card.quantization else []),
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
    if card.own_loop is not None:
        return [
            ("trained in", "a loop of its maker's own"),
            ("notes", card.own_loop.notes or "none"),
        ]
    training = card.training
    assert training is not None
    number, steps = training.num_photographs, str(training.steps)
    if training.planned_steps is not None:
        steps += f" of {training.planned_steps}"
    return [
        ("photographs", training.dataset),
        *([] if number is None else [("usable photographs", str(number))]),
        ("trained for", f"{steps} steps, {training.minutes:g} minutes"),
        ("trained with", training.hardware),
        ("losses reached", ", ".join(f"{k} {v:.4g}" for k, v in training.losses.items())),
        ("seed", str(training.seed)),
    ]
