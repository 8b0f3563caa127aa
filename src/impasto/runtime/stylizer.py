"""Photographs repainted in a learned style: what the command line and `impasto.Stylizer` use.

Resize, fill what is transparent, transform, give the photograph its colours or a share back.
"""

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import SettingError
from impasto.images import colour
from impasto.images.files.io import AskedBits, Picture, resize_longer_side
from impasto.images.resize import fit_longer_side
from impasto.networks.architecture import MINIMUM_SIZE
from impasto.runtime.batching import Batching, Load
from impasto.runtime.compute import DEFAULT_COMPUTE, Compute, ComputeSettings
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.input_pictures import as_picture, fill_transparent, in_the_form_of
from impasto.runtime.tiles.grid import Progress
from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import resolve_model

MAXIMUM_SIZE = 16_384
"""The largest longer side, in pixels, that can be asked for; memory ends long before."""


class Stylizer:
    """A style, ready to repaint photographs.

    Args:
        name_or_file: the name of a model, the path of a model file, an address, or a model that
            was read already.
        compute: how it is run.
        settings: fields of `Compute` that replace those of `compute`, such as `precision="f32"`.

    Raises:
        UnknownModelError: no model of that name.
        ModelFileError: the file cannot be used, or is no style-transfer model, or cannot be run
            in this precision.
        MissingExtraError: the backend is not installed.
        SettingError: a setting that `Compute` refuses.
    """

    def __init__(
        self,
        name_or_file: str | os.PathLike[str] | ModelFile,
        compute: Compute = DEFAULT_COMPUTE,
        **settings: Unpack[ComputeSettings],
    ) -> None:
        compute = dataclasses.replace(compute, **settings)
        is_int8 = compute.precision == "int8"
        model = resolve_model(name_or_file, task="style-transfer", quantized=is_int8)
        self._predictor = FittingPredictor(model, compute)

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._predictor.card

    @property
    def name(self) -> str:
        """How results call the model: see `zoo.registry.told_name`."""
        return self._predictor.name

    @property
    def precision(self) -> str:
        """The precision in use, `f32`, `bf16` or `int8`."""
        return self._predictor.precision

    def precision_for(self, picture: Picture) -> str:
        """The precision this picture is computed in: f32 under `auto` if it has 16 bits."""
        return self._predictor.precision_for(picture.bits)

    @overload
    def __call__(
        self,
        photo: str | os.PathLike[str] | PIL.Image.Image,
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> PIL.Image.Image: ...

    @overload
    def __call__(
        self,
        photo: NDArray[Any],
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> NDArray[Any]: ...

    def __call__(
        self,
        photo: str | os.PathLike[str] | PIL.Image.Image | NDArray[Any],
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> PIL.Image.Image | NDArray[Any]:
        """The repainted photograph, in the form it was given.

        Args:
            photo: a file's path or a PIL picture, answered by a PIL picture with the same alpha;
                or an array H×W×3, uint8 and uint16 answered in the same type, floats in [0, 1]
                in float32.
            size: as for `stylize`.
            strength: as for `stylize`.
            keep_colors: as for `stylize`.

        Raises:
            PictureFileError: the file cannot be read.
            PictureError: the array is no picture.
            SettingError: a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        check_settings(size, strength)
        picture = self.stylize(
            as_picture(photo, longer_side=size),
            size=size,
            strength=strength,
            keep_colors=keep_colors,
        )
        return in_the_form_of(photo, picture)

    def stylize(
        self,
        picture: Picture,
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> Picture:
        """The repainted picture, with the same alpha and metadata.

        Args:
            picture: the photograph.
            size: pixels of the longer side it is resized to first, up or down; None keeps its own.
            strength: 1 is the style alone, 0 the (resized) photograph alone, between is a blend.
            keep_colors: take the brightness of the style and the chroma of the photograph.

        Raises:
            SettingError: a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        (painted,) = self.stylize_all(
            [picture], size=size, strength=strength, keep_colors=keep_colors
        )
        return painted

    def stylize_all(
        self,
        pictures: Sequence[Picture],
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> list[Picture]:
        """The repainted pictures, in their order, each as `stylize` makes it.

        Those of one size that follow each other go through the network together, `batch_size` at
        most.

        Args:
            pictures: the photographs.
            size: as for `stylize`.
            strength: as for `stylize`.
            keep_colors: as for `stylize`.

        Raises:
            SettingError: a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        check_settings(size, strength)
        photographs = [
            picture if size is None else resize_longer_side(picture, size) for picture in pictures
        ]
        if strength == 0:
            return photographs
        stylized = self._predictor.predict_all(
            [(fill_transparent(photograph), photograph.bits) for photograph in photographs]
        )
        return [
            photograph.with_rgb(
                _finished(rgb, photograph.rgb, strength=strength, keep_colors=keep_colors)
            )
            for photograph, rgb in zip(photographs, stylized, strict=True)
        ]

    def batching(self, *, size: int | None = None) -> Batching[Picture]:
        """Which pictures may go to `stylize_all` together, and how many calls may be under way.

        Args:
            size: as for `stylize`.
        """

        def load(picture: Picture) -> Load:
            width, height = picture.width, picture.height
            if size is not None:
                width, height = fit_longer_side(width, height, size)
            return self._predictor.load_of(height, width, bits=picture.bits)

        return self._predictor.batching_by(load)

    def find_large(
        self, source: Path, target: Path, *, size: int | None = None, strength: float = 1.0
    ) -> LargePicture | None:
        """A file that is too large for memory and is to be repainted by `stylize_large`.

        Args:
            source: the photograph's file.
            target: where the picture goes.
            size: as for `stylize`.
            strength: as for `stylize`; a photograph that stays as it is needs no tiles.

        Returns:
            The picture; None for what fits, and for files that must be read or written whole.

        Raises:
            SettingError: a setting is out of range.
            PictureFileError: the target's suffix says no format.
        """
        check_settings(size, strength)
        return None if strength == 0 else self._predictor.find_large(source, target, size=size)

    def stylize_large(
        self,
        picture: LargePicture,
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        quality: int = 92,
        bits: AskedBits = "auto",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> LargeResult:
        """Repaint a photograph from file to file.

        Args:
            picture: what `find_large` found.
            strength: as for `stylize`.
            keep_colors: as for `stylize`.
            quality: 1 to 100, for JPEG.
            bits: per channel of PNG and TIFF; `auto` is what the picture came with.
            overwrite: replace a file that is there.
            progress: told how many tiles are done, and of how many.

        Raises:
            SettingError: a setting is out of range.
            OutputExistsError: a file is there and may not be overwritten.
            PictureFileError: the photograph cannot be read, or the picture not be written.
            ModelFileError: the model cannot be run, or not in tiles.
        """
        check_settings(None, strength)
        return self._predictor.transform_large(
            picture,
            finish=partial(_finished, strength=strength, keep_colors=keep_colors),
            quality=quality,
            bits=bits,
            overwrite=overwrite,
            progress=progress,
        )


def _finished(
    stylized: NDArray[np.float32],
    photograph: NDArray[np.float32],
    *,
    strength: float,
    keep_colors: bool,
) -> NDArray[np.float32]:
    """The stylized colours h×w×3 with as much of the photograph in them as was asked for."""
    if keep_colors:
        stylized = colour.keep_colors(stylized, photograph)
    if strength < 1:
        stylized = colour.blend(photograph, stylized, strength)
    return stylized


def check_settings(size: int | None, strength: float) -> None:
    """Refuse a size or strength that `Stylizer.stylize` would refuse.

    Raises:
        SettingError: a setting is out of range.
    """
    is_size = size is None or (
        isinstance(size, int | np.integer)
        and not isinstance(size, bool)
        and MINIMUM_SIZE <= size <= MAXIMUM_SIZE
    )
    if not is_size:
        raise SettingError(
            f"size is {size!r}, expected the longer side in whole pixels, "
            f"{MINIMUM_SIZE} to {MAXIMUM_SIZE}"
        )
    if not 0 <= strength <= 1:
        raise SettingError(f"strength is {strength!r}, expected a number from 0 to 1")
