"""`impasto models`: what there is, what it is, and the user's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.display.console import (
    one_line_errors,
    print_json,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched
from impasto.files import exists_already

if TYPE_CHECKING:
    from impasto.zoo.card import ModelCard, QuantizationRecord
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
            raise usage_error(f"give options after the command: impasto models {command} ...")
        return
    if sheet is None and (photo or overwrite):
        raise usage_error("--photo and --overwrite are for a sheet; add --sheet FILE")
    from impasto.zoo.registry import list_models

    entries = list_models()
    if sheet is not None:
        _draw_sheet(entries, sheet, photo=photo, overwrite=overwrite)
    if json:
        print_json([_row(entry) for entry in entries])
    else:
        _print_table(entries)
    if sheet is not None:
        (print_note if json else print_result)(str(sheet))


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
    from impasto.zoo.registry import is_released, resolve_model, told_name

    found = resolve_model(fetched(model))
    if json:
        print_json(found.card.model_dump(mode="json"))
        return
    size = f"{len(found.data) / 1e6:.2f} MB"
    whose = "ships with Impasto" if is_released(found) else "your own"
    if told_name(found) != found.card.name:
        whose = f"your own, not the {found.card.name} that ships with Impasto"
    for label, value in (
        *_facts(found.card),
        ("file", f"{found.path}, {size}"),
        ("origin", whose),
    ):
        print_result(f"{label:<24}{value}")


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
    print_result(f"{entry.name}: {entry.path}")


@app.command(no_args_is_help=True)
@one_line_errors
def remove(name: Annotated[str, typer.Argument(metavar="NAME", hidden=True)]) -> None:
    """Delete one of your own models, or what an address has left among the downloads."""
    from impasto.zoo.registry import remove_model

    print_result(f"removed {remove_model(name)}")


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
        raise exists_already(output)
    from impasto.export.model_export import upgrade_model

    replace = overwrite or output is None
    print_result(str(upgrade_model(file, output or file, replace=replace).path))


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
        raise exists_already(output)
    from impasto.export.tiles_form import write_tiled_model
    from impasto.zoo.registry import resolve_model

    path = resolve_model(fetched(model)).path
    assert path is not None  # named models and files have one
    write_tiled_model(path, output, replace=overwrite)
    print_result(str(output))


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
        raise exists_already(output)
    from impasto.export.checkpoint_import import import_checkpoint

    imported = import_checkpoint(file, output, name=name, title=title, replace=overwrite)
    print_result(str(imported.path))


@app.command(no_args_is_help=True)
@one_line_errors
def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", hidden=True)],
    *,
    photos: Annotated[
        Path, typer.Option(metavar="DIR", help="Photographs that show what values occur.")
    ],
    check: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photographs to compare on, if not some of those."),
    ] = None,
    min_psnr: Annotated[
        float, typer.Option(metavar="DB", help="What the worst of them must reach against f32.")
    ] = 35.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="NAME.int8.onnx by default."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that exists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make the form of a model for --precision int8.

    MODEL is a name, a file or an address. The form is written beside the file; that of a shipped
    model goes to your own models. Nothing is trained; what harms is left in float.
    """
    from impasto.export.quantization import quantize_model, write_quantized
    from impasto.zoo.registry import place_of_quantized, resolve_model

    found = resolve_model(fetched(model))
    target = output if output is not None else place_of_quantized(found)
    if target.exists() and not overwrite:
        raise exists_already(target)
    quantized = quantize_model(found, photos, check=check, min_psnr=min_psnr, tell=print_note)
    write_quantized(quantized, target, replace=overwrite)
    rows = [
        {"photograph": picture.name, "size": picture.size, "psnr": round(decibels, 2)}
        for picture, decibels in quantized.checked
    ]
    if json:
        record = quantized.record.model_dump(mode="json")
        print_json({"file": str(target), "quantization": record, "checked": rows})
        return
    for row in rows:
        print_result(f"{row['psnr']:6.1f} dB  {row['size']:>5}²  {row['photograph']}")
    print_result(_quantization_in_words(quantized.record))
    print_result(str(target))


def _draw_sheet(
    entries: "list[ModelEntry]", sheet: Path, *, photo: Path | None, overwrite: bool
) -> None:
    from impasto.runtime.thumbnails import save_thumbnail_sheet

    for problem in save_thumbnail_sheet(entries, sheet, photo=photo, overwrite=overwrite):
        print_note(f"impasto: left out of the sheet: {problem}")


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
        print_result(f"{entry.name:<{width}}  {'shipped' if entry.released else 'yours  '}  {what}")
    print_note(
        f"Your own models are in {user_models_folder()}; 'impasto models add FILE' adds one."
    )


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
        *([("quantized", _quantization_in_words(card.quantization))] if card.quantization else []),
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
    number = training.num_photographs
    return [
        ("photographs", training.dataset),
        *([] if number is None else [("usable photographs", str(number))]),
        ("trained for", f"{training.steps} steps, {training.minutes:g} minutes"),
        ("trained with", training.hardware),
        ("losses reached", ", ".join(f"{k} {v:.4g}" for k, v in training.losses.items())),
        ("seed", str(training.seed)),
    ]


def _quantization_in_words(record: "QuantizationRecord") -> str:
    names = ", ".join(record.in_float) or "nothing"
    return (
        f"{record.activation_bits}-bit activations and {record.weight_bits}-bit weights; "
        f"in float: {names} ({record.share_in_float:.0%} of the work); "
        f"{record.min_psnr:.1f} dB at least, {record.median_psnr:.1f} in the median, "
        f"on {record.checked}; ranges from {record.photographs}"
    )


def _network_in_words(card: "ModelCard") -> str:
    architecture = card.architecture
    given = architecture.channels
    words = [architecture.kind, "-".join(map(str, given if isinstance(given, tuple) else (given,)))]
    if hasattr(architecture, "num_residual_blocks"):
        words.append(f"{architecture.num_residual_blocks} residual blocks")
    return ", ".join(words)
