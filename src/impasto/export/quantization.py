"""A second form of a model with 8-bit convolutions, searched for: what harms is left in float.

Ranges are those the model's activations take on photographs (post-training quantization); nothing
is trained. Then convolutions return to float one after another, the least work for the most gain
first, until the worst of the check pictures is near enough. The graph's rewriting is
`impasto.export.quantized_graph`'s, the arithmetic the runtime's.
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
"""What the 8-bit output of the worst check picture must reach against that in f32, in dB."""

MAX_SHARE_IN_FLOAT = 0.5
"""A file with more of the work than this in float would hardly be faster, and is not written."""

NUM_CALIBRATION_PHOTOGRAPHS, NUM_CHECK_PHOTOGRAPHS = 24, 8
CALIBRATION_SIZE = 256
"""Pixels of a side of what comes out, for calibration; the check is at this size and at twice."""

RANGE_SHARES = (1.0, 0.8, 0.65, 0.5, 0.4)
"""How much of the range seen the 256 steps may cover, what lies outside being cut off. Extremes
are rare and a finer step serves all else; composition_vii gained 2 dB by 0.65."""

_SMALLEST_SIDE = 48


@dataclass(frozen=True, slots=True)
class CheckPicture:
    """A photograph cut to a square, and what the model in f32 makes of it.

    Attributes:
        name: of its file.
        size: pixels of its side.
        rgb: float32 size×size×3 in [0, 1].
        levels: of the output, whole numbers 0 to 255, its channels side by side.
    """

    name: str
    size: int
    rgb: NDArray[np.float32]
    levels: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """What the search found.

    Attributes:
        model: the file's content, its card saying how it was made; not written yet.
        checked: each check picture with its PSNR in dB.
    """

    model: ModelFile
    checked: tuple[tuple[CheckPicture, float], ...]

    @property
    def record(self) -> QuantizationRecord:
        """What the card says of the quantization."""
        record = self.model.card.quantization
        assert record is not None
        return record


def quantize_model(
    model: ModelFile,
    photographs: Path,
    *,
    check: Path | None = None,
    min_psnr: float = MIN_PSNR,
    tell: Callable[[str], None] | None = None,
) -> QuantizedModel:
    """Quantize a model with the photographs of a folder.

    Args:
        model: as it was trained.
        photographs: a folder; some spread over it give the ranges.
        check: a folder of photographs for the comparison; others of the first folder by default.
        min_psnr: in dB, what the worst check picture must reach.
        tell: told what is tried.

    Raises:
        ModelFileError: the model is quantized already, or has nothing to quantize.
        PictureFileError: a folder cannot be read.
        ExportError: too few photographs, or no form with enough work in 8 bits is near enough.
    """
    if model.card.quantization is not None:
        raise ModelFileError(f"{model} is quantized already; give the model it was made from")
    if not find_convolutions(model.data):
        raise ModelFileError(f"{model} has no convolution that can be quantized; use it as it is")
    given, others = _two_selections(photographs, check)
    side = max(CALIBRATION_SIZE // model.card.scale, _SMALLEST_SIDE)
    calibration = calibrate(model, [square for _, square in _squares(given, side)])
    reference = Predictor(model, precision="f32")
    pictures = [
        CheckPicture(name, size, rgb, _levels(reference(rgb)))
        for size in (side, 2 * side)
        for name, rgb in _squares(others, size)
    ]
    search = _Search(model, calibration, pictures, min_psnr=min_psnr, tell=tell or _say_nothing)
    data, checked = search.run()
    return _with_card(
        model, data, checked, search,
        photographs=f"{len(given)} of {photographs.name}, {side}×{side}",
        num_photographs=len(given),
    )  # fmt: skip


def write_quantized(quantized: QuantizedModel, path: Path, *, replace: bool = True) -> None:
    """Write the file of a quantized model; folders that are missing are made.

    Args:
        quantized: the model.
        path: of the file.
        replace: a file that is there; otherwise the model goes beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        ExportError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, quantized.model.data, replace=replace)
    except OutputExistsError:
        raise
    except OSError as error:
        raise ExportError(f"cannot write {path}: {reason_of(error)}") from error


def calibrate(model: ModelFile, photographs: Sequence[NDArray[np.float32]]) -> Calibration:
    """What a model's activations do on photographs, float32 H×W×3 in [0, 1], of one size."""
    backend = OpenVinoBackend(measuring_graph(model.data), precision="f32")
    rows = [backend.run(network_batch(model.card, rgb[np.newaxis])) for rgb in photographs]
    return read_measurements(find_convolutions(model.data), rows)


class _Search:
    """Convolutions go back to float until the worst picture is near enough."""

    def __init__(
        self,
        model: ModelFile,
        calibration: Calibration,
        pictures: Sequence[CheckPicture],
        *,
        min_psnr: float,
        tell: Callable[[str], None],
    ) -> None:
        self._model = model
        self._calibration = calibration
        self._pictures = pictures
        self.range_share = 1.0
        self._min_psnr = min_psnr
        self._tell = tell
        self.in_float: list[str] = []

    @property
    def share_in_float(self) -> float:
        """Of all multiplications, those that are not quantized."""
        return self._share(self.in_float)

    def run(self) -> tuple[bytes, list[tuple[CheckPicture, float]]]:
        """The graph that is near enough, and the PSNR of every picture."""
        while True:
            data, checked = self._compare(self.in_float, self._pictures)
            worst, lowest = min(checked, key=lambda pair: pair[1])
            if not self.in_float and lowest < self._min_psnr and self._narrow_ranges(worst):
                continue
            self._tell(f"{self._in_words()}: at least {lowest:.1f} dB")
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

    def _narrow_ranges(self, worst: CheckPicture) -> bool:
        """Take the share of the ranges that is best for the worst picture; False if none is."""
        if self.range_share != 1:
            return False
        decibels = {}
        for share in RANGE_SHARES:
            self.range_share = share
            _, ((_, decibels[share]),) = self._compare([], [worst])
        self.range_share = max(RANGE_SHARES, key=decibels.__getitem__)
        return self.range_share != 1

    def _next_in_float(self, worst: CheckPicture, lowest: float) -> str:
        """Of what would do alone, the least work; else the most gain for its work."""
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


def _say_nothing(_: str) -> None:
    pass


def _two_selections(photographs: Path, check: Path | None) -> tuple[list[Path], list[Path]]:
    """Photographs for the ranges, and others for the comparison."""
    paths = list_pictures(photographs)
    if check is None:
        others = _spread(paths, min(NUM_CHECK_PHOTOGRAPHS, -(-len(paths) // 2)))
    else:
        others = list_pictures(check)
    given = _spread(sorted(set(paths) - set(others)), NUM_CALIBRATION_PHOTOGRAPHS)
    if not given or not others:
        raise ExportError(
            f"{len(paths)} pictures found in {photographs} and {len(others)} for the check; "
            f"give some tens of photographs"
        )
    return given, others


def _spread(paths: Sequence[Path], number: int) -> list[Path]:
    """At most so many paths, evenly over all."""
    number = min(number, len(paths))
    return [paths[i * len(paths) // number] for i in range(number)]


def _squares(paths: Sequence[Path], side: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Photographs by name, the middle of each scaled to side×side×3."""
    for path in paths:
        image = ImageOps.fit(
            load_training_rgb(path, short_side=side), (side, side), Image.Resampling.LANCZOS
        )
        yield path.name, np.asarray(image, dtype=np.float32) / np.float32(255)


def _levels(rgb: NDArray[np.float32]) -> NDArray[np.float64]:
    """H×3W grey levels of H×W×3: `psnr` is of planes, and the mean is over all of them."""
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
    """A record before anything is known but what the model is made from."""
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
