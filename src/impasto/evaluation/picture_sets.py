"""Test pictures: high-resolution truths and their low resolutions, from files or made here.

A set with an error is refused before anything is measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError, PictureFileError
from impasto.images.degradation import degrade
from impasto.images.degradation_kind import Degradation
from impasto.images.files.io import list_pictures, load_picture, read_header
from impasto.metrics.fidelity import to_levels
from impasto.runtime.input_pictures import fill_transparent


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """The files of a test picture.

    Attributes:
        name: its path within the set, without the suffix.
        truth: the high-resolution file.
        width: of the truth in pixels.
        height: of the truth in pixels.
        is_grey: the truth's file is grey: its own values are its luminance.
        low_resolution: the file of its low resolution; None where it is made from the truth.
    """

    name: str
    truth: Path
    width: int
    height: int
    is_grey: bool
    low_resolution: Path | None = None


@dataclass(frozen=True, slots=True)
class PictureSet:
    """A folder of test pictures.

    Attributes:
        name: of the folder.
        pictures: their files, by name.
    """

    name: str
    pictures: tuple[PictureFiles, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TestPicture:
    """A test picture in memory; both arrays hold 8-bit levels k / 255.

    Attributes:
        name: as of its files.
        truth: H×W×3 float32 in [0, 1], H and W multiples of the scale.
        low_resolution: H/scale × W/scale × 3 float32 in [0, 1].
        is_grey: the truth's file is grey.
    """

    __test__ = False  # pytest takes names with Test for its own

    name: str
    truth: NDArray[np.float32]
    low_resolution: NDArray[np.float32]
    is_grey: bool


def find_pictures(folder: Path, *, scale: int, low_resolution: Path | None = None) -> PictureSet:
    """Return the test pictures of a folder, with their low resolutions if those have a folder.

    Args:
        folder: of truths, and of folders of them.
        scale: ratio of the sizes of truth and low resolution.
        low_resolution: a folder with one picture for each truth: of the same name with any
            suffix, or with `x4` (the scale) after the name.

    Raises:
        PictureFileError: a folder is missing or empty, a file is no picture, or a truth and a low
            resolution lack each other or are not of matching sizes.
    """
    truths = _by_name(folder)
    lows = {} if low_resolution is None else _by_name(low_resolution)
    paired: dict[str, Path] = {}
    if low_resolution is not None:
        paired = {name: _pair(name, lows, low_resolution, scale) for name in truths}
        # Refused in this direction as well: a misspelt truth would just be left out of the mean.
        unpaired = sorted(set(lows.values()) - set(paired.values()))
        if unpaired:
            raise PictureFileError(
                f"{unpaired[0]} has no truth in {folder} ({len(unpaired)} such); expected one of "
                "its name"
            )
    pictures = tuple(
        _files_of(name, path, paired.get(name), scale) for name, path in truths.items()
    )
    return PictureSet(folder.resolve().name, pictures)  # `.` has no name of its own


def pictures_of(name: str, truths: Sequence[Path], *, scale: int) -> PictureSet:
    """Return the test pictures in these files; their low resolutions are made from them.

    Args:
        name: of the set.
        truths: files, with names that differ in more than the suffix.
        scale: ratio of the sizes of truth and low resolution.

    Raises:
        PictureFileError: a file is no picture.
    """
    return PictureSet(name, tuple(_files_of(path.stem, path, None, scale) for path in truths))


def load_test_picture(
    files: PictureFiles, *, scale: int, degradation: Degradation = "bicubic"
) -> TestPicture:
    """Read a truth, cropped to a multiple of the scale, and read or make its low resolution.

    Args:
        files: of the picture.
        scale: ratio of the sizes of truth and low resolution.
        degradation: how a low resolution without a file is made.

    Raises:
        PictureFileError: a file cannot be read.
        PictureError: the picture is smaller than the scale.
    """
    truth = _read(files.truth)
    # At the right and the bottom, as the field's `modcrop` does it.
    height, width = (size // scale * scale for size in truth.shape[:2])
    truth = np.ascontiguousarray(truth[:height, :width])
    if files.low_resolution is not None:
        low = _read(files.low_resolution)
        _check_size(files, low.shape[1], low.shape[0], scale)
    else:
        try:
            low = degrade(truth, scale=scale, degradation=degradation)
        except PictureError as error:
            raise PictureError(f"{files.truth}: {error}") from None
    return TestPicture(files.name, truth, low, files.is_grey)


def _read(path: Path) -> NDArray[np.float32]:
    # Whatever the file's depth: scores are of 8 bits.
    return (to_levels(fill_transparent(load_picture(path))) / 255).astype(np.float32)


def _by_name(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by their path in it, without suffix."""
    paths: dict[str, Path] = {}
    for path in list_pictures(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in paths:
            raise PictureFileError(
                f"{folder} holds {paths[name].name} and {path.name}; expected one picture of a name"
            )
        paths[name] = path
    if not paths:
        raise PictureFileError(f"{folder} holds no pictures; expected test pictures in it")
    return paths


def _pair(name: str, lows: Mapping[str, Path], folder: Path, scale: int) -> Path:
    # The second is how DIV2K names its low resolutions, and sets packed like it.
    for low_name in (name, f"{name}x{scale}"):
        if low_name in lows:
            return lows[low_name]
    raise PictureFileError(
        f"{folder} has no low resolution of the picture {name!r}; expected {name}.png or "
        f"{name}x{scale}.png, or another suffix"
    )


def _files_of(name: str, truth: Path, low: Path | None, scale: int) -> PictureFiles:
    # Headers alone: all files of a set are checked before the first is decoded.
    header = read_header(truth)
    files = PictureFiles(name, truth, header.width, header.height, header.is_grey, low)
    if low is not None:
        low_header = read_header(low)
        _check_size(files, low_header.width, low_header.height, scale)
    return files


def _check_size(files: PictureFiles, width: int, height: int, scale: int) -> None:
    expected = (files.width // scale, files.height // scale)
    if (width, height) != expected:
        raise PictureFileError(
            f"{files.low_resolution} is {width}×{height}; expected {expected[0]}×{expected[1]}: "
            f"{files.truth} is {files.width}×{files.height}, and the scale {scale}"
        )
