"""Commands of `impasto models` that make another model file of a file: rebuilt, imported, int8.

Flags and printing live here; the work is `impasto.export`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.cli.display.console import (
    one_line_errors,
    print_json,
    print_note,
    print_result,
)
from impasto.cli.display.downloads import fetched
from impasto.cli.options import Json, Overwrite, with_option_records
from impasto.files import exists_already

if TYPE_CHECKING:
    from impasto.zoo.card import QuantizationRecord

app = typer.Typer()

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", hidden=True)]
ModelFileArgument = Annotated[Path, typer.Argument(metavar="FILE", hidden=True)]
ModelOutput = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Model file to write.")
]


@app.command(no_args_is_help=True)
@one_line_errors
def upgrade(
    file: ModelFileArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="Model file to write; default: FILE."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Rebuild a model file's graph from its weights, in the current format."""
    if output is not None and output.exists() and not overwrite:
        raise exists_already(output)
    # Here and below, after the checks: torch and onnx take seconds to import.
    from impasto.export.model_export import upgrade_model

    # Without -o the file itself is meant, so that nothing is replaced unasked.
    replace = overwrite or output is None
    print_result(str(upgrade_model(file, output or file, replace=replace).path))


@app.command(no_args_is_help=True)
@one_line_errors
def tiles(
    model: ModelArgument,
    *,
    output: ModelOutput,
    overwrite: Overwrite = False,
) -> None:
    """Write a style with its statistics as inputs of the graph, for tiles in other runtimes.

    MODEL is a name, a file or a URL. Impasto itself cuts tiles with any model file.
    """
    if output.exists() and not overwrite:
        raise exists_already(output)
    from impasto.export.tiles_form import write_tiled_model
    from impasto.zoo.registry import resolve_model

    path = resolve_model(fetched(model)).path
    assert path is not None  # named models and files have one
    write_tiled_model(path, output, replace=overwrite)
    print_result(str(output))


@app.command("name-styles", no_args_is_help=True)
@one_line_errors
def name_styles_command(
    network: Annotated[str, typer.Argument(metavar="NETWORK", hidden=True)],
    styles: Annotated[list[Path], typer.Argument(metavar="ADD-ON", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Model file to write.")
    ],
    only: Annotated[
        bool, typer.Option("--only", help="Drop the styles that the network holds.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Put tuned styles into a network for any painting, under their names.

    NETWORK is a name, file or URL. ADD-ON is a file that 'impasto train style' has tuned on it.
    """
    from impasto.export.named_styles import name_styles
    from impasto.zoo.registry import resolve_model
    from impasto.zoo.style_file import read_style_file
    from impasto.zoo.style_vectors import read_style_network

    if output.exists() and not overwrite:
        raise exists_already(output)
    named = name_styles(
        read_style_network(resolve_model(fetched(network))),
        [read_style_file(path) for path in styles],
        output,
        drop_others=only,
        replace=overwrite,
    )
    print_result(str(named.path))


@app.command("import", no_args_is_help=True)
@one_line_errors
def import_(
    file: ModelFileArgument,
    *,
    output: ModelOutput,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model; default: its file's.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Title of the model, for people.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a checkpoint that another program has trained to a model file.

    FILE is a checkpoint (.pth) of fast_neural_style in pytorch/examples.
    """
    if output.exists() and not overwrite:
        raise exists_already(output)
    from impasto.export.checkpoint_import import import_checkpoint

    imported = import_checkpoint(file, output, name=name, title=title, replace=overwrite)
    print_result(str(imported.path))


@dataclass(frozen=True, slots=True)
class QuantizationOptions:
    """Flags of a quantization: photographs, and the quality to keep."""

    photos: Annotated[Path, typer.Option(metavar="DIR", help="Photographs to calibrate with.")]
    check: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photographs to compare on; default: some of --photos."),
    ] = None
    min_psnr: Annotated[
        float,
        typer.Option(metavar="DB", help="Lowest PSNR against f32 to accept on any of them."),
    ] = 35.0


@app.command(no_args_is_help=True)
@one_line_errors
@with_option_records
def quantize(
    model: ModelArgument,
    *,
    quantization: QuantizationOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Model file to write; default: NAME.int8.onnx."
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Quantize a model to int8, for --precision int8.

    MODEL is a name, a file or a URL. The int8 model is written beside the file; that of a shipped
    model goes to your own models. Nothing is trained; convolutions that cost too much quality stay
    in float.
    """
    from impasto.export.quantization import quantize_model, write_quantized
    from impasto.zoo.registry import int8_output_path, resolve_model

    file = resolve_model(fetched(model))
    path = output if output is not None else int8_output_path(file)
    if path.exists() and not overwrite:
        raise exists_already(path)
    quantized = quantize_model(
        file,
        quantization.photos,
        check=quantization.check,
        min_psnr=quantization.min_psnr,
        report=print_note,
    )
    # Before anything is printed: what takes minutes is saved, even if stdout is closed.
    write_quantized(quantized, path, replace=overwrite)
    rows = [
        {"photograph": picture.name, "size": picture.size, "psnr": round(decibels, 2)}
        for picture, decibels in quantized.checked
    ]
    if json:
        record = quantized.record.model_dump(mode="json")
        print_json({"file": str(path), "quantization": record, "checked": rows})
        return
    for row in rows:
        print_result(f"{row['psnr']:6.1f} dB  {row['size']:>5}²  {row['photograph']}")
    print_result(quantization_in_words(quantized.record))
    print_result(str(path))


def quantization_in_words(record: "QuantizationRecord") -> str:
    """How a model was quantized, in a line."""
    names = ", ".join(record.in_float) or "nothing"
    return (
        f"{record.activation_bits}-bit activations and {record.weight_bits}-bit weights; "
        f"in float: {names} ({record.share_in_float:.0%} of the work); "
        f"{record.min_psnr:.1f} dB at least, {record.median_psnr:.1f} in the median, "
        f"on {record.checked}; ranges from {record.photographs}"
    )
