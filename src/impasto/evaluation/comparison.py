"""The comparison sheet: a crop of each truth beside its upscaled versions, pixel by pixel."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from impasto.errors import SettingError
from impasto.evaluation.picture_sets import PictureSet, TestPicture
from impasto.evaluation.upscaling_methods import BICUBIC
from impasto.images.contact_sheet import contact_sheet

CROP_SIZE = 96
MAXIMUM_ROWS = 4
CELL_SIZE = 288
"""Approximate size of a cell; crops are magnified by a whole number, so that each pixel shows."""


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
        """Return the crop of `NAME:x,y,w,h`.

        Raises:
            SettingError: the text is none, or the numbers are out of range.
        """
        # From the right: a name may hold a colon, the numbers do not.
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
        """Whether the crop is of this picture."""
        return self.picture in (picture, picture.rpartition("/")[2])


@dataclass
class ComparisonSheet:
    """Collects crops while an evaluation runs, and draws them.

    Attributes:
        crops: to show; none means the crop with most detail of each picture, and of these
            `MAXIMUM_ROWS` at most.
    """

    crops: Sequence[Crop] = ()
    _rows: list[tuple[float, int, "_Row"]] = field(default_factory=list)
    _num_seen: int = 0

    def check(self, sets: Sequence[PictureSet]) -> None:
        """Refuse crops that no picture has; to be called before the evaluation.

        Raises:
            SettingError: no such picture, or it is too small for the crop.
        """
        pictures = [files for tested in sets for files in tested.pictures]
        for crop in self.crops:
            matching = [files for files in pictures if crop.names(files.name)]
            if not matching:
                raise SettingError(
                    f"a crop is asked of {crop.picture!r}; expected a picture of the sets, such "
                    f"as {pictures[0].name!r}"
                )
            for files in matching:
                if crop.left + crop.width > files.width or crop.top + crop.height > files.height:
                    raise SettingError(
                        f"the crop {crop.left},{crop.top},{crop.width},{crop.height} reaches "
                        f"beyond {crop.picture}, which has {files.width}×{files.height} pixels"
                    )

    def add(
        self, set_name: str, picture: TestPicture, upscaled: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Take the crops of a picture."""
        if not self.crops:
            crop, detail = _most_detailed(picture, upscaled[BICUBIC])
            self._take(detail, set_name, crop, picture, upscaled)
            # At once, and not when drawing: crops of a set's every picture would fill the memory.
            if len(self._rows) > MAXIMUM_ROWS:
                heapq.heappop(self._rows)
        for index, crop in enumerate(self.crops):
            if crop.names(picture.name):
                # Rows are drawn from the highest rank down: in the order that was asked for.
                self._take(-index, set_name, crop, picture, upscaled)

    def draw(self) -> NDArray[np.float32]:
        """Return the sheet, H×W×3 float32 in [0, 1]: the truth, then the methods in their order."""
        rows = [row for *_, row in sorted(self._rows, reverse=True)]
        cells: list[list[NDArray[np.float32]]] = []
        for row in rows:
            times = max(1, CELL_SIZE // max(row.pictures[0].shape[:2]))  # all are of one size
            # Repeated, not interpolated: the sheet shows the methods' pixels and no filter's.
            cells.append([crop.repeat(times, 0).repeat(times, 1) for crop in row.pictures])
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
        upscaled: Mapping[str, NDArray[np.float32]],
    ) -> None:
        versions = {"truth": picture.truth, **upscaled}
        rows = slice(crop.top, crop.top + crop.height)
        columns = slice(crop.left, crop.left + crop.width)
        # Copies, since a view would keep the whole picture in memory.
        pictures = [rgb[rows, columns].copy() for rgb in versions.values()]
        row = _Row(f"{set_name} {picture.name}", list(versions), pictures)
        self._num_seen += 1
        # The number decides between equal ranks, as rows cannot be compared; the first one stays.
        heapq.heappush(self._rows, (rank, -self._num_seen, row))


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    label: str
    names: list[str]
    pictures: list[NDArray[np.float32]]


def _most_detailed(picture: TestPicture, bicubic: NDArray[np.float32]) -> tuple[Crop, float]:
    """Return the window whose truth differs most from bicubic upscaling, and by how much."""
    # In float64: windows are differences of sums that reach over the whole picture. By running
    # sums, because each pixel lies in up to 96² windows.
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
