"""`impasto evaluate sr`: super-resolution models measured on test pictures, as a table.

Flags and outputs live here; the measuring is `impasto.evaluation`'s. `evaluate styles` is in
`evaluate_styles`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import print_error, usage_error
from impasto.cli.display.progress import PictureProgress
from impasto.cli.options import Json, Overwrite, with_option_records
from impasto.cli.table_output import TableFile, check_table, publish_table, save_sheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impasto.evaluation.benchmark import Evaluation
    from impasto.evaluation.comparison import ComparisonSheet
    from impasto.evaluation.measures import Measure
    from impasto.evaluation.picture_sets import PictureSet, TestPicture
    from impasto.evaluation.upscaling_methods import UpscalingMethod
    from impasto.metrics.fidelity import Protocol

DEFAULT_SCALE = 4


@dataclass(frozen=True, slots=True)
class PictureSetOptions:
    """Flags that choose the test pictures and their low resolutions."""

    data: Annotated[
        list[Path],
        typer.Option(
            "--data", metavar="DIR", help="Folder of high-resolution test pictures; repeatable."
        ),
    ]
    scale: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", min=2, max=16, help="Scale factor; default: the first model's, or 4."
        ),
    ] = None
    degradation: Annotated[
        Literal["bicubic", "blur-bicubic"],
        typer.Option(
            metavar="bicubic|blur-bicubic", help="Degradation that makes the low resolutions."
        ),
    ] = "bicubic"
    low_resolution: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Folder of low resolutions to use instead; one for each --data."
        ),
    ] = None

    def picture_sets(self, scale: int) -> "list[PictureSet]":
        """The pictures of each folder, paired with their low resolutions.

        Raises:
            typer.Exit: not one folder of low resolutions for each of `data`.
            PictureFileError: a folder without pictures, or a picture without its low resolution.
        """
        from impasto.evaluation.picture_sets import find_pictures

        no_lows: list[Path | None] = [None] * len(self.data)
        lows = self.low_resolution or no_lows
        if len(lows) != len(self.data):
            raise usage_error(
                f"--low-resolution was given {len(lows)} times and --data {len(self.data)} times; "
                "expected one for each, in the same order"
            )
        return [
            find_pictures(folder, scale=scale, low_resolution=low)
            for folder, low in zip(self.data, lows, strict=True)
        ]

    def protocol(self, scale: int) -> "Protocol":
        """How pictures are degraded and compared."""
        from impasto.metrics.fidelity import Protocol

        return Protocol(scale, "files" if self.low_resolution else self.degradation)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Flags that choose the models, and how they run."""

    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Model's name or file; repeatable."),
    ] = None
    match_histogram: Annotated[
        bool,
        typer.Option(
            "--match-histogram", help="Measure each model again with its histogram matched."
        ),
    ] = False
    precision: Annotated[
        Literal["auto", "f32", "bf16"],
        typer.Option(metavar="auto|f32|bf16", help="Arithmetic precision of the models."),
    ] = "f32"
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Write the means into the models' cards.")
    ] = False

    def files_to_score(self) -> list[Path]:
        """The model files whose cards take the scores.

        Raises:
            typer.Exit: a model that is no file, or two files of one name.
        """
        if not self.into_card:
            return []
        files = [Path(model) for model in self.model or ()]
        if not files or not all(file.suffix == ".onnx" and file.is_file() for file in files):
            raise usage_error(
                "--into-card changes model files; give each --model as a file that is there"
            )
        # The evaluation's rows are named by the files' stems, so scores would go to both.
        if len({file.stem for file in files}) < len(files):
            raise usage_error(
                "--into-card knows models by the names of their files; give no name twice"
            )
        return files

    def first_scale(self) -> int:
        """The scale of the first model, or the default without one."""
        from impasto.evaluation.upscaling_methods import BICUBIC
        from impasto.runtime.upscaler import resolve_upscaling_model

        # Lazily: only the first model is opened.
        models = (model for model in self.model or () if model != BICUBIC)
        scales = (resolve_upscaling_model(model).card.scale for model in models)
        return next(scales, DEFAULT_SCALE)

    def open(self, scale: int) -> "list[UpscalingMethod]":
        """Bicubic and the models, ready to run."""
        from impasto.evaluation.upscaling_methods import open_methods

        return open_methods(
            self.model or [],
            scale=scale,
            precision=self.precision,
            matches_histogram=self.match_histogram,
        )


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """Flags that add measures to PSNR and SSIM."""

    features: Annotated[
        bool, typer.Option("--features", help="Measure distances between VGG-16's features.")
    ] = False
    spectrum: Annotated[
        bool, typer.Option("--spectrum", help="Measure the spectrum at periods of 2 and 4 pixels.")
    ] = False
    lpips_weights: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Measure LPIPS with these weights; repeatable."),
    ] = None

    def measures(self, protocol: "Protocol") -> "list[Measure]":
        """The measures, in the order of the table's columns."""
        from impasto.evaluation.measures import fidelity, spectrum

        measures = [fidelity(protocol)]
        if self.lpips_weights:
            # Both of these need torch, which PSNR and SSIM do not.
            from impasto.evaluation.lpips import lpips_measure, read_lpips

            measures.append(lpips_measure(protocol, read_lpips(self.lpips_weights)))
        if self.features:
            from impasto.evaluation.features import feature_measure

            measures.append(feature_measure(protocol))
        if self.spectrum:
            measures.append(spectrum(protocol))
        return measures


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Flags of the table and the comparison sheet."""

    output: TableFile = None
    per_image: Annotated[bool, typer.Option("--per-image", help="Add a row for each picture.")] = (
        False
    )
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Comparison sheet of crops to draw.")
    ] = None
    crop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:x,y,w,h",
            help="Crop for the sheet; default: where most detail is lost; repeatable.",
        ),
    ] = None
    overwrite: Overwrite = False
    json: Json = False

    def check(self) -> None:
        """Refuse outputs that could not be written.

        Raises:
            typer.Exit: crops without a sheet, an unknown suffix, or a missing folder.
            ImpastoError: a file that exists, or a sheet that no picture format fits.
        """
        from impasto.images.files.output import check_target

        if self.crop and self.sheet is None:
            raise usage_error("--crop is for a comparison sheet; add --sheet FILE")
        if self.sheet is not None:
            check_target(self.sheet, overwrite=self.overwrite)
        check_table(self.output, overwrite=self.overwrite)

    def comparison(self, sets: "list[PictureSet]") -> "ComparisonSheet | None":
        """The sheet, still empty, if one is to be drawn.

        Raises:
            SettingError: a crop that is in none of the pictures.
        """
        from impasto.evaluation.comparison import ComparisonSheet, Crop

        if self.sheet is None:
            return None
        comparison = ComparisonSheet([Crop.parse(text) for text in self.crop or ()])
        # A misspelt crop is found here, not when the sheet is drawn.
        comparison.check(sets)
        return comparison

    def publish(self, evaluation: "Evaluation") -> None:
        """Write the table to its file, if there is one, and print it."""
        from impasto.evaluation.report import to_json, to_markdown

        publish_table(
            to_markdown(evaluation, per_picture=self.per_image),
            to_json(evaluation),
            output=self.output,
            overwrite=self.overwrite,
            as_json=self.json,
        )

    def draw(self, comparison: "ComparisonSheet") -> None:
        """Draw the sheet with the crops that were added to it."""
        assert self.sheet is not None
        save_sheet(comparison.draw(), self.sheet, overwrite=self.overwrite)


@with_option_records
def evaluate_super_resolution(
    *,
    tested: PictureSetOptions,
    models: ModelOptions,
    measured: MeasureOptions,
    report: ReportOptions,
) -> None:
    """Measure super-resolution models on test pictures, beside bicubic enlargement.

    Prints a table of PSNR and SSIM in Markdown, with the protocol of every number.
    """
    report.check()
    # Outputs and cards first: an evaluation takes minutes, and must not fail at its end.
    files = models.files_to_score()
    scale = tested.scale or models.first_scale()
    sets = tested.picture_sets(scale)
    comparison = report.comparison(sets)
    protocol = tested.protocol(scale)
    methods = models.open(scale)
    evaluation = _evaluate(sets, methods, measured.measures(protocol), protocol, comparison)
    report.publish(evaluation)
    # After the table is out: a card that cannot be written must not cost the results.
    _score(files, evaluation)
    if comparison is not None:
        report.draw(comparison)


def _evaluate(
    sets: "list[PictureSet]",
    methods: "list[UpscalingMethod]",
    measures: "list[Measure]",
    protocol: "Protocol",
    comparison: "ComparisonSheet | None",
) -> "Evaluation":
    """Measure with a bar; crops for the sheet are taken on the way."""
    from impasto.evaluation.benchmark import evaluate, mismatch_warnings

    for warning in mismatch_warnings(methods, protocol):
        print_error(warning)
    with PictureProgress(sum(len(tested.pictures) for tested in sets)) as progress:

        def on_picture(
            name: str, picture: "TestPicture", enlarged: "Mapping[str, NDArray[np.float32]]"
        ) -> None:
            if comparison is not None:
                comparison.add(name, picture, enlarged)
            progress.advance()

        return evaluate(sets, methods, measures, protocol=protocol, on_picture=on_picture)


def _score(files: list[Path], evaluation: "Evaluation") -> None:
    from impasto.evaluation.report import card_scores
    from impasto.export.model_export import write_scores

    for file in files:
        write_scores(file, card_scores(evaluation, file.stem))
