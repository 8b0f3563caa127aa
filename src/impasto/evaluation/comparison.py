"""The comparison sheet: a crop of the truth beside each enlargement of it, pixel by pixel."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from impasto.errors import SettingError
from impasto.evaluation.picture_sets import PictureSet, TestPicture
from impasto.evaluation.upscalers import BICUBIC
from impasto.images.contact_sheet import contact_sheet

CROP_SIZE = 96
MAXIMUM_ROWS = 4
CELL_SIZE = 288
"""Crops are enlarged by whole numbers to about so many pixels, so that each pixel is seen."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture.

    Attributes:
        picture: its name, with or without its folder.
        left: pixels of the truth.
        top: pixels of the truth.
        width: pixels of the truth.
        height: pixels of the truth.
    """

    picture: str
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A crop from `NAME:x,y,w,h`.

        Raises:
            SettingError: the text is none, or the numbers are out of range.
        """
        name, _, numbers = text.rpartition(":")
        try:
            left, top, width, height = (int(number) for number in numbers.split(","))
        except ValueError:
            left = top = width = height = -1
        if not name or min(left, top) < 0 or min(width, height) < 1:
            raise SettingError(
                f"the crop is {text!r}; expected NAME:x,y,w,h: a picture's name, then left, top, "
                "width and height in pixels of the truth"
            )
        return cls(name, left, top, width, height)

    def names(self, picture: str) -> bool:
        """Whether this is the picture that is meant."""
        return self.picture in (picture, picture.rpartition("/")[2])


@dataclass
class ComparisonSheet:
    """Collects crops while an evaluation runs, and draws them.

    Attributes:
        crops: to be shown; none means those with most detail, `MAXIMUM_ROWS` at most, one of a
            picture.
    """

    crops: Sequence[Crop] = ()
    _rows: list[tuple[float, int, "_Row"]] = field(default_factory=list)
    _num_seen: int = 0

    def check(self, sets: Sequence[PictureSet]) -> None:
        """Refuse crops that no picture has; worth asking before long work.

        Raises:
            SettingError: no such picture, or it is too small for the crop.
        """
        places = [place for tested in sets for place in tested.places]
        for crop in self.crops:
            found = [place for place in places if crop.names(place.name)]
            if not found:
                raise SettingError(
                    f"a crop is asked of {crop.picture!r}; expected a picture of the sets, such "
                    f"as {places[0].name!r}"
                )
            for place in found:
                if crop.left + crop.width > place.width or crop.top + crop.height > place.height:
                    raise SettingError(
                        f"the crop {crop.left},{crop.top},{crop.width},{crop.height} reaches "
                        f"beyond {crop.picture}, which has {place.width}×{place.height} pixels"
                    )

    def add(
        self, set_name: str, picture: TestPicture, enlarged: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Take what is to be shown of a picture."""
        if not self.crops:
            crop, detail = _most_detailed(picture, enlarged[BICUBIC])
            self._take(detail, set_name, crop, picture, enlarged)
            if len(self._rows) > MAXIMUM_ROWS:
                heapq.heappop(self._rows)
        for place, crop in enumerate(self.crops):
            if crop.names(picture.name):
                self._take(-place, set_name, crop, picture, enlarged)

    def draw(self) -> NDArray[np.float32]:
        """The sheet, H×W×3 float32 in [0, 1]: the truth, then the enlargements in their order."""
        rows = [row for *_, row in sorted(self._rows, reverse=True)]
        cells = [[_magnified(picture) for picture in row.pictures] for row in rows]
        size = max(max(picture.shape[:2]) for row in cells for picture in row)
        return contact_sheet(
            cells,
            cell_size=size,
            row_labels=[row.label for row in rows],
            column_labels=rows[0].names,
        )

    def _take(
        self,
        rank: float,
        set_name: str,
        crop: Crop,
        picture: TestPicture,
        enlarged: Mapping[str, NDArray[np.float32]],
    ) -> None:
        shown = {"truth": picture.truth, **enlarged}
        rows = slice(crop.top, crop.top + crop.height)
        columns = slice(crop.left, crop.left + crop.width)
        pictures = [rgb[rows, columns].copy() for rgb in shown.values()]
        row = _Row(f"{set_name} {picture.name}", list(shown), pictures)
        self._num_seen += 1
        heapq.heappush(self._rows, (rank, -self._num_seen, row))


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    label: str
    names: list[str]
    pictures: list[NDArray[np.float32]]


def _most_detailed(picture: TestPicture, bicubic: NDArray[np.float32]) -> tuple[Crop, float]:
    """The window whose truth differs most from bicubic enlargement, and by how much."""
    lost = np.abs(picture.truth - bicubic).mean(axis=2, dtype=np.float64)
    height, width = (min(CROP_SIZE, size) for size in lost.shape)
    sums = np.pad(lost.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    windows = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    detail = float(windows[top, left]) / (height * width)
    return Crop(picture.name, int(left), int(top), width, height), detail


def _magnified(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    times = max(1, CELL_SIZE // max(rgb.shape[:2]))
    return rgb.repeat(times, axis=0).repeat(times, axis=1)
