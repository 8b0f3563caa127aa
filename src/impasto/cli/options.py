"""Flags that several commands share, and records of them that a command takes as one argument.

Importing the runtime here would make --help slow: records are turned into its settings when the
command runs.
"""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_type_hints

import typer

if TYPE_CHECKING:
    from impasto.images.formats.encoding import AskedBits
    from impasto.runtime.compute import Compute
    from impasto.runtime.stylizer import StyleSettings

# The range that runtime.stylizer accepts.
MINIMUM_SIZE, MAXIMUM_SIZE = 16, 16_384
# The range that runtime.style_resolution accepts.
SMALLEST_STROKE, LARGEST_STROKE = 0.5, 2.0

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO", hidden=True)]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUT", help="A file, a folder, or - for a pipe."),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE",
        help="Name (see 'impasto models'), painting's file, mixture A:0.7,B:0.3, or model's file "
        "or URL.",
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Network for any painting: name, file or URL; default: any_painting.",
    ),
]
Stroke = Annotated[
    float,
    typer.Option(
        metavar="FACTOR",
        min=SMALLEST_STROKE,
        max=LARGEST_STROKE,
        help="Size of the strokes, for a painting's file.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        min=MINIMUM_SIZE,
        max=MAXIMUM_SIZE,
        help="Resize the longer side to this first.",
    ),
]
Strength = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Strength of the style: 0 = the photograph, 1 = the style alone.",
    ),
]
KeepColors = Annotated[
    bool,
    typer.Option("--keep-colors", help="Keep the photograph's colours; stylize its brightness."),
]
Stabilize = Annotated[bool, typer.Option("--stabilize", help="Reduce the flicker of videos.")]
Mask = Annotated[
    str | None,
    typer.Option(
        metavar="MASK",
        help="Picture that is white where the style applies; or a folder, or a video of them.",
    ),
]
Outside = Annotated[
    str,
    typer.Option(
        metavar="STYLE|none", help="Style where the mask is black; none = the photograph."
    ),
]
UpscalingModel = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="sharp, faithful, or a model's name, file or URL."
    ),
]
Scale = Annotated[
    int | None,
    typer.Option(metavar="2|4|8", help="Factor to upscale by; default: the model's own, or 4."),
]
MatchHistogram = Annotated[
    bool,
    typer.Option(
        "--match-histogram",
        help="Match each channel's histogram to that of the input.",
    ),
]
Precision = Annotated[
    Literal["auto", "f32", "bf16", "int8"],
    typer.Option(
        metavar="auto|f32|bf16|int8",
        help="Arithmetic precision; auto = bf16 if the processor has it, else f32.",
    ),
]
Backend = Annotated[
    Literal["auto", "openvino", "onnxruntime", "torch"],
    typer.Option(
        metavar="auto|openvino|onnxruntime|torch",
        help="Library that runs the model; auto = OpenVINO.",
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        metavar="auto|off|PIXELS",
        help="Side of tiles; auto cuts pictures that do not fit into memory, off none.",
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="auto|SIZE",
        help="Memory for the program, such as 1G or 512M; auto = 60 % of what is free.",
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, help="Pictures of one size per batch, if they fit into memory."
    ),
]
Requests = Annotated[
    int,
    typer.Option(
        "--requests",
        metavar="N",
        min=1,
        help="Batches computed in parallel, if they fit into memory.",
    ),
]
Quality = Annotated[
    int,
    typer.Option(
        metavar="1-100", min=1, max=100, help="Quality of JPEG, WebP, AVIF, HEIC and videos."
    ),
]
Lossless = Annotated[
    bool, typer.Option("--lossless", help="Write WebP and HEIC without loss, whatever the quality.")
]
# Texts: typer takes no choice between a word and numbers.
Bits = Annotated[
    Literal["auto", "8", "16"],
    typer.Option(
        metavar="auto|8|16",
        help="Bits per channel of PNG and TIFF; auto = those of the photograph.",
    ),
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out pictures whose output exists already.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(metavar="auto|cpu|cuda", help="Device; auto = a GPU if there is one, else cpu."),
]


def with_option_records(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take records of options, whose fields are flags of the command.

    In the signature that typer reads, each parameter whose type is a dataclass is replaced by the
    fields of the dataclass, with their annotations and defaults. A call builds the records from
    the values of their fields, so that errors which a record raises are raised by the command.

        @dataclass(frozen=True, slots=True)
        class WritingOptions:
            quality: Quality = 92
            overwrite: Overwrite = False

        @with_option_records
        def upscale(photos: Photos, *, writing: WritingOptions, json: Json = False) -> None: ...

    Args:
        command: a function whose records are keyword-only parameters.

    Raises:
        ValueError: two of the flags have one name.
    """
    # Resolved: annotations may be texts, and `Annotated` carries the options.
    hints = get_type_hints(command, include_extras=True)
    records: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in records:
            parameters.extend(_parameters_of_fields(records[parameter.name]))
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))

    @wraps(command)
    def wrapped(**values: Any) -> None:
        for name, record in records.items():
            values[name] = record(
                **{field.name: values.pop(field.name) for field in dataclasses.fields(record)}
            )
        command(**values)

    # typer reads both; `wraps` has copied those of the command.
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapped


def _parameters_of_fields(record: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=(
                # Without a default the flag is required, and click says so.
                inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            ),
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(record)
    ]


@dataclass(frozen=True, slots=True)
class StyleOptions:
    """The flags of `StyleSettings`, but for `--size`, whose default is the command's."""

    strength: Strength = 1.0
    keep_colors: KeepColors = False

    def settings(self, *, size: int | None = None) -> "StyleSettings":
        """How photographs are stylized.

        Args:
            size: longer side in pixels that they are resized to first; None keeps their own.
        """
        from impasto.runtime.stylizer import StyleSettings

        return StyleSettings(size, **dataclasses.asdict(self))


@dataclass(frozen=True, slots=True)
class PaintingOptions:
    """The flags of styles that come from the network for any painting."""

    network: Network = None
    stroke: Stroke = 1.0

    def settings(self) -> "PaintingKeywords":
        """The flags as keywords of `Stylizer`; a network that is a URL is downloaded.

        Raises:
            DownloadError: the network cannot be had from its URL.
        """
        from impasto.cli.display.downloads import fetched

        network = None if self.network is None else fetched(self.network)
        return {"network": network, "stroke": self.stroke}


class PaintingKeywords(TypedDict):
    """The keywords of `Stylizer` for styles from the network for any painting."""

    network: str | None
    stroke: float


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """The flags of `runtime.compute.Compute`, by the names of its fields."""

    precision: Precision = "auto"
    backend: Backend = "auto"
    tile: Tile = "auto"
    memory: Memory = "auto"
    batch_size: BatchSize = 1
    num_requests: Requests = 1

    def settings(self) -> "Compute":
        """How the model is run.

        Raises:
            SettingError: a tile or memory that `Compute` refuses.
        """
        from impasto.runtime.compute import Compute

        # `Compute` refuses other words itself, with its own message.
        tile = int(self.tile) if self.tile.isdecimal() else self.tile
        return Compute(**dataclasses.asdict(self) | {"tile": tile})


@dataclass(frozen=True, slots=True)
class WritingOptions:
    """How results are written, which of them, and how they are reported."""

    quality: Quality = 92
    lossless: Lossless = False
    bits: Bits = "auto"
    skip_existing: SkipExisting = False
    overwrite: Overwrite = False
    json: Json = False

    @property
    def bits_per_channel(self) -> "AskedBits":
        """`bits` as the images room takes it."""
        return "auto" if self.bits == "auto" else 8 if self.bits == "8" else 16
