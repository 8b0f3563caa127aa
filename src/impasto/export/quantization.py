"""Quantize a model to int8; convolutions that cost too much quality stay in float.

Photographs give the ranges of the activations (post-training quantization); nothing is trained.
Then convolutions return to float one after another, those with the most gain for the least work
first, until the worst check picture reaches the PSNR asked for. The graph is rewritten in
`impasto.export.quantized_graph`; the runtime computes with it.

Written by hand: NNCF 3.4 fails on our ONNX files (casts of half-precision weights), and what it
quantizes with accuracy control, an OpenVINO graph of two files that is no model of ours, was no
faster (1.04 to 1.12 times our time) nor nearer to f32 (36.0 dB against 37.0, starry_night).
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from impasto.errors import ExportError, ImpastoError, ModelFileError, OutputExistsError
from impasto.export.quantized_graph import (
    WEIGHT_BITS,
    Calibration,
    find_convolutions,
    measuring_graph,
    quantize_graph,
    read_measurements,
    with_metadata,
)
from impasto.files import reason_of, write_whole
from impasto.images.files.io import list_pictures, load_training_rgb
from impasto.metrics.fidelity import psnr, to_levels
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.runtime.predictor import Predictor, network_batch
from impasto.zoo.card import QuantizationRecord
from impasto.zoo.model_file import MODEL_METADATA_KEY, ModelFile, model_from_bytes

MIN_PSNR = 35.0
"""PSNR of the int8 output against the f32 output that the worst check picture must reach, in dB."""

MAX_SHARE_IN_FLOAT = 0.5
"""Share of the multiplications: with more of them in float, int8 would hardly be faster."""

NUM_CALIBRATION_PHOTOGRAPHS, NUM_CHECK_PHOTOGRAPHS = 24, 8
CALIBRATION_SIZE = 256
"""Side of the output picture in pixels, for calibration; the check is at this size and twice it."""

RANGE_SHARES = (1.0, 0.8, 0.65, 0.5, 0.4)
"""Shares of a measured range that the 256 steps may cover; values outside are clipped. Extremes
are rare, and all other values gain by finer steps: composition_vii gained 2 dB by 0.65."""

_SMALLEST_SIDE = 48


@dataclass(frozen=True, slots=True)
class CheckPicture:
    """A photograph cut to a square, with the f32 model's output for it.

    Attributes:
        name: the file's name.
        size: the side in pixels.
        rgb: float32 size×size×3 in [0, 1].
        levels: the f32 output as whole numbers 0 to 255, H×3W, see `_levels`.
    """

    name: str
    size: int
    rgb: NDArray[np.float32]
    levels: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """An int8 model, not written yet, and its quality.

    Attributes:
        model: the file's content; its card says how it was quantized.
        checked: each check picture with its PSNR in dB.
    """

    model: ModelFile
    checked: tuple[tuple[CheckPicture, float], ...]

    @property
    def record(self) -> QuantizationRecord:
        """The card's record of the quantization."""
        record = self.model.card.quantization
        assert record is not None
        return record


def quantize_model(
    model: ModelFile,
    photographs: Path,
    *,
    check: Path | None = None,
    min_psnr: float = MIN_PSNR,
    report: Callable[[str], None] | None = None,
) -> QuantizedModel:
    """Quantize a model with the photographs of a folder.

    Args:
        model: the model as it was trained.
        photographs: a folder; a selection spread over it gives the ranges.
        check: a folder of photographs to compare outputs on; by default others of the first folder.
        min_psnr: PSNR in dB that the worst check picture must reach.
        report: called with a line about each attempt.

    Raises:
        ModelFileError: the model is quantized already, or has nothing to quantize.
        PictureFileError: a folder cannot be read.
        ExportError: there are too few photographs, or `min_psnr` is out of reach with enough of
            the work in 8 bits.
    """
    if model.card.quantization is not None:
        raise ModelFileError(f"{model} is quantized already; give the model it was made from")
    if not find_convolutions(model.data):
        raise ModelFileError(f"{model} has no convolution that can be quantized; use it as it is")
    for_ranges, for_check = _select_photographs(photographs, check)
    side = max(CALIBRATION_SIZE // model.card.scale, _SMALLEST_SIDE)
    calibration = calibrate(model, [square for _, square in _squares(for_ranges, side)])
    reference = Predictor(model, precision="f32")
    pictures = [
        CheckPicture(name, size, rgb, _levels(reference(rgb)))
        for size in (side, 2 * side)
        for name, rgb in _squares(for_check, size)
    ]
    search = _Search(
        model, calibration, pictures, min_psnr=min_psnr, report=report or (lambda _: None)
    )
    data, checked = search.run()
    return _with_card(
        model, data, checked, search,
        photographs=f"{len(for_ranges)} of {photographs.name}, {side}×{side}",
        num_photographs=len(for_ranges),
    )  # fmt: skip


def write_quantized(quantized: QuantizedModel, path: Path, *, replace: bool = True) -> None:
    """Write the file of an int8 model, and its folders where they are missing.

    Args:
        quantized: the model.
        path: the file to write.
        replace: overwrite an existing file; otherwise the model is written beside it.

    Raises:
        OutputAppearedError: the file exists and `replace` is False.
        ExportError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, quantized.model.data, replace=replace)
    except OutputExistsError:
        raise
    except OSError as error:
        raise ExportError(f"cannot write {path}: {reason_of(error)}") from error


def calibrate(model: ModelFile, photographs: Sequence[NDArray[np.float32]]) -> Calibration:
    """The ranges of a model's activations on photographs, float32 H×W×3 in [0, 1], of one size."""
    backend = OpenVinoBackend(measuring_graph(model.data), precision="f32")
    rows = [backend.run(network_batch(model.card, rgb[np.newaxis])) for rgb in photographs]
    return read_measurements(find_convolutions(model.data), rows)


class _Search:
    """Returns convolutions to float until the worst check picture reaches `min_psnr`."""

    def __init__(
        self,
        model: ModelFile,
        calibration: Calibration,
        pictures: Sequence[CheckPicture],
        *,
        min_psnr: float,
        report: Callable[[str], None],
    ) -> None:
        self._model = model
        self._calibration = calibration
        self._pictures = pictures
        self.range_share = 1.0
        self._min_psnr = min_psnr
        self._report = report
        self.in_float: list[str] = []

    @property
    def share_in_float(self) -> float:
        """The share of all multiplications that is not quantized."""
        return self._share(self.in_float)

    def run(self) -> tuple[bytes, list[tuple[CheckPicture, float]]]:
        """The first graph that reaches `min_psnr`, and the PSNR of every check picture."""
        while True:
            data, checked = self._compare(self.in_float, self._pictures)
            worst, lowest = min(checked, key=lambda pair: pair[1])
            # Narrower ranges cost no speed, so they come before the first convolution in float.
            if not self.in_float and lowest < self._min_psnr and self.range_share == 1:
                decibels = {}
                for share in RANGE_SHARES:
                    self.range_share = share
                    _, ((_, decibels[share]),) = self._compare([], [worst])
                self.range_share = max(RANGE_SHARES, key=decibels.__getitem__)
                # Another picture may be the worst by the new ranges.
                if self.range_share != 1:
                    continue
            self._report(f"{self._in_words()}: at least {lowest:.1f} dB")
            if lowest >= self._min_psnr:
                return data, checked
            self.in_float.append(self._next_in_float(worst, lowest))
            if self.share_in_float > MAX_SHARE_IN_FLOAT:
                raise ExportError(
                    f"{self._model} cannot be quantized: {worst.name} at {worst.size}² reaches "
                    f"{lowest:.1f} dB, expected {self._min_psnr:g}, with "
                    f"{self._share(self.in_float[:-1]):.0%} of the work left in float; "
                    f"use it in bf16, or train it anew; nothing was written"
                )

    def _next_in_float(self, worst: CheckPicture, lowest: float) -> str:
        """The convolution to return to float next.

        If some would suffice alone, the one with the least work; else the one whose gain in dB is
        largest for its work.
        """
        # Greedy, and on the worst picture alone: all subsets of convolutions on all pictures would
        # be 2ⁿ models to compile; `run` looks at every picture again.
        trials = []
        for name in self._calibration.work:
            if name not in self.in_float:
                _, ((_, decibels),) = self._compare([*self.in_float, name], [worst])
                trials.append((name, decibels, self._share([name])))
        enough = [trial for trial in trials if trial[1] >= self._min_psnr]
        if enough:
            return min(enough, key=lambda trial: trial[2])[0]
        if not trials:
            raise ExportError(f"{self._model} cannot be quantized: nothing is left in 8 bits")
        return max(trials, key=lambda trial: (trial[1] - lowest) / trial[2])[0]

    def _compare(
        self, in_float: Sequence[str], pictures: Sequence[CheckPicture]
    ) -> tuple[bytes, list[tuple[CheckPicture, float]]]:
        data = quantize_graph(
            self._model.data,
            self._calibration,
            in_float=in_float,
            range_share=self.range_share,
        )
        # By the runtime's own int8 path, which reads a whole model file: what passes here is what
        # people will see.
        record = _provisional_record(self._model)
        predictor = Predictor(_model_with(self._model, data, record), precision="int8")
        return data, [(p, psnr(_levels(predictor(p.rgb)), p.levels)) for p in pictures]

    def _share(self, names: Sequence[str]) -> float:
        work = self._calibration.work
        return sum(work[name] for name in names) / sum(work.values())

    def _in_words(self) -> str:
        ranges = "" if self.range_share == 1 else f", {self.range_share:.0%} of the ranges"
        if not self.in_float:
            return f"everything in 8 bits{ranges}"
        return (
            f"in float {', '.join(self.in_float)} ({self.share_in_float:.0%} of the work){ranges}"
        )


def _select_photographs(photographs: Path, check: Path | None) -> tuple[list[Path], list[Path]]:
    """Photographs for the ranges, and others for the check."""
    paths = list_pictures(photographs)
    if check is None:
        # At most half of them, so that a small folder leaves photographs for the ranges.
        for_check = _spread(paths, min(NUM_CHECK_PHOTOGRAPHS, -(-len(paths) // 2)))
    else:
        for_check = list_pictures(check)
    # None of the checked ones, whose extremes the ranges would have seen. Sorted, because the order
    # of a set, and with it the model, would differ from run to run.
    for_ranges = _spread(sorted(set(paths) - set(for_check)), NUM_CALIBRATION_PHOTOGRAPHS)
    if not for_ranges or not for_check:
        raise ExportError(
            f"{len(paths)} pictures found in {photographs} and {len(for_check)} for the check; "
            f"give some tens of photographs"
        )
    return for_ranges, for_check


def _spread(paths: Sequence[Path], number: int) -> list[Path]:
    """At most `number` of the paths, evenly spaced."""
    number = min(number, len(paths))
    # Neighbours in a folder are often of one scene.
    return [paths[i * len(paths) // number] for i in range(number)]


def _squares(paths: Sequence[Path], side: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Photographs with their names, each centre-cropped and scaled to side×side×3."""
    for path in paths:
        image = ImageOps.fit(
            load_training_rgb(path, short_side=side), (side, side), Image.Resampling.LANCZOS
        )
        yield path.name, np.asarray(image, dtype=np.float32) / np.float32(255)


def _levels(rgb: NDArray[np.float32]) -> NDArray[np.float64]:
    """H×W×3 as one plane H×3W of 256 levels: `psnr` takes planes, and averages over all values."""
    return to_levels(rgb).reshape(len(rgb), -1)


def _with_card(
    model: ModelFile,
    data: bytes,
    checked: Sequence[tuple[CheckPicture, float]],
    search: _Search,
    *,
    photographs: str,
    num_photographs: int,
) -> QuantizedModel:
    decibels = [value for _, value in checked]
    sizes = sorted({picture.size for picture, _ in checked})
    record = _provisional_record(model).model_copy(
        update={
            "photographs": photographs,
            "num_photographs": num_photographs,
            "range_share": search.range_share,
            "in_float": list(search.in_float),
            "share_in_float": round(search.share_in_float, 4),
            "checked": f"{len({picture.name for picture, _ in checked})} photographs at "
            + " and ".join(f"{size}×{size}" for size in sizes),
            "min_psnr": _finite(min(decibels)),
            "median_psnr": _finite(statistics.median(decibels)),
        }
    )
    return QuantizedModel(_model_with(model, data, record), tuple(checked))


def _provisional_record(model: ModelFile) -> QuantizationRecord:
    """A record that only says which file the model was made from; the rest follows the check."""
    return QuantizationRecord(
        made_from=model.sha256, activation_bits=8, weight_bits=WEIGHT_BITS, photographs="",
        num_photographs=1, in_float=[], share_in_float=0, checked="", min_psnr=0, median_psnr=0,
    )  # fmt: skip


def _finite(decibels: float) -> float:
    return round(min(decibels, 100.0), 2)  # equal pictures have no finite PSNR


def _model_with(model: ModelFile, data: bytes, record: QuantizationRecord) -> ModelFile:
    card = model.card.model_copy(update={"quantization": record})
    try:
        return model_from_bytes(with_metadata(data, {MODEL_METADATA_KEY: card.to_json()}))
    except ImpastoError as error:
        raise ExportError(f"{model} quantized is no sound model file: {error}") from None
