"""Photographs in a learned style: `impasto.Stylizer`, and how photographs are stylized.

In memory: resize, fill transparent pixels, run the network, blend with the photograph, and mix by a
mask (`masks`). From file to file, and videos: `transformation`.
"""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, Optional, TypedDict, Unpack, overload

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import SettingError
from impasto.images import colour
from impasto.images.files.io import Picture, resize_longer_side
from impasto.networks.architecture import MINIMUM_SIZE
from impasto.runtime.compute import DEFAULT_COMPUTE, Compute, ComputeKeywords
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.input_pictures import as_picture, fill_transparent, in_the_form_of
from impasto.runtime.masks import MaskInput, as_mask, stylize_by_masks
from impasto.runtime.style_resolution import Network, Style, resolve_style
from impasto.zoo.card import ModelCard

MAXIMUM_SIZE = 16_384
"""Largest longer side in pixels that can be asked for; memory ends long before."""


@dataclass(frozen=True, slots=True)
class StyleSettings:
    """How photographs are stylized. A setting is documented here, and nowhere else.

    Attributes:
        size: longer side in pixels that photographs are resized to first, up or down; None keeps
            their own.
        strength: 1 is the style alone, 0 the (resized) photograph alone, between is a blend.
        keep_colors: take the brightness of the style and the chroma of the photograph.

    Raises:
        SettingError: a setting out of range.
    """

    size: int | None = None
    strength: float = 1.0
    keep_colors: bool = False

    def __post_init__(self) -> None:
        is_size = self.size is None or (
            isinstance(self.size, int | np.integer)
            and not isinstance(self.size, bool)
            and MINIMUM_SIZE <= self.size <= MAXIMUM_SIZE
        )
        if not is_size:
            raise SettingError(
                f"size is {self.size!r}, expected the longer side in whole pixels, "
                f"{MINIMUM_SIZE} to {MAXIMUM_SIZE}"
            )
        if not 0 <= self.strength <= 1:
            raise SettingError(f"strength is {self.strength!r}, expected a number from 0 to 1")

    def finish(
        self, stylized: NDArray[np.float32], photograph: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The network's colours h×w×3 with the share of the photograph that the settings ask for.

        Works pixel by pixel, so that a window is finished as the whole picture is.
        """
        if self.keep_colors:
            stylized = colour.keep_colors(stylized, photograph)
        if self.strength < 1:
            stylized = colour.blend(photograph, stylized, self.strength)
        return stylized


class StyleKeywords(TypedDict, total=False):
    """The fields of `StyleSettings` as keywords: `stylizer(photo, size=1024)`."""

    size: int | None
    strength: float
    keep_colors: bool


DEFAULT_STYLE = StyleSettings()


class Stylizer:
    """A style, ready for photographs.

    A style is one of these:

    - the name of a model, such as `great_wave`
    - the name of a style that the network for any painting holds
    - a painting: a picture's file, a Pillow image or an array H×W×3
    - a mixture: a text such as `great_wave:0.7,painting.jpg:0.3`, or the weights by style in a
      dictionary; of styles that the network holds, and of paintings' files
    - a model's file (`.onnx`), its URL, or a model that was read already

    A text is looked up in this order: a model's name, a name in the network, a file. A path
    object, or a text with a folder in it, is always a file. Weights of a mixture are divided by
    their sum, and all are equal where a text gives none; a path with a comma in it can be mixed by
    a dictionary only.

    Args:
        style: the style.
        compute: how the model is run.
        network: the network for any painting: its name, file or URL, or a model that was read
            already; its names then come before those of models. None takes `any_painting`.
        stroke: size of the strokes, 0.5 to 2; for paintings, whose strokes grow with it.
        settings: fields of `Compute` that replace those of `compute`, such as `precision="f32"`.

    Raises:
        UnknownModelError: no model or style of that name, or there is no network for any painting.
        ModelFileError: the file cannot be used, or is no style-transfer model, or cannot be run
            in this precision; or a model of one style is to be mixed.
        PictureFileError: the painting's file cannot be read, or is too long for its width.
        PictureError: the painting's array is no picture.
        MissingExtraError: the backend is not installed.
        SettingError: a setting of `compute`, the stroke or a weight is out of range; or a stroke or
            network is given for a model, which has its own.
        DownloadError: a URL's model cannot be downloaded.
    """

    def __init__(
        self,
        style: Style,
        compute: Compute = DEFAULT_COMPUTE,
        *,
        network: Network | None = None,
        stroke: float = 1.0,
        **settings: Unpack[ComputeKeywords],
    ) -> None:
        compute = dataclasses.replace(compute, **settings)
        is_int8 = compute.precision == "int8"
        model = resolve_style(style, network=network, stroke=stroke, quantized=is_int8)
        self._predictor = FittingPredictor(model, compute)

    @property
    def predictor(self) -> FittingPredictor:
        """The model, for pictures of any size."""
        return self._predictor

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._predictor.card

    @property
    def name(self) -> str:
        """The name of the model in results: see `zoo.registry.display_name`."""
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
        settings: StyleSettings = DEFAULT_STYLE,
        *,
        mask: MaskInput | None = None,
        outside: Optional["Stylizer"] = None,
        **keywords: Unpack[StyleKeywords],
    ) -> PIL.Image.Image: ...

    @overload
    def __call__(
        self,
        photo: NDArray[Any],
        settings: StyleSettings = DEFAULT_STYLE,
        *,
        mask: MaskInput | None = None,
        outside: Optional["Stylizer"] = None,
        **keywords: Unpack[StyleKeywords],
    ) -> NDArray[Any]: ...

    def __call__(
        self,
        photo: str | os.PathLike[str] | PIL.Image.Image | NDArray[Any],
        settings: StyleSettings = DEFAULT_STYLE,
        *,
        mask: MaskInput | None = None,
        outside: Optional["Stylizer"] = None,
        **keywords: Unpack[StyleKeywords],
    ) -> PIL.Image.Image | NDArray[Any]:
        """The stylized photograph, in the form it was given.

        Args:
            photo: a file's path or a PIL picture, answered by a PIL picture with the same alpha;
                or an array H×W×3, uint8 and uint16 answered in the same type, floats in [0, 1]
                in float32.
            settings: how it is stylized.
            mask: where it takes the style: white is inside, black outside, and grey mixes. A
                file's path or a PIL picture, whose brightness counts (transparent is black), or
                an array H×W, bool, uint8 or floats in [0, 1]; resized to the photograph.
            outside: the style where the mask is black; None leaves the photograph there.
            keywords: fields of `StyleSettings` that replace those of `settings`, such as
                `strength=0.5`.

        Raises:
            PictureFileError: a file cannot be read.
            PictureError: an array is no picture or no mask, or the mask has another aspect ratio
                than the photograph.
            SettingError: a setting is out of range, or `outside` comes without a mask.
            ModelFileError: the model cannot be run.
        """
        settings = dataclasses.replace(settings, **keywords)
        photograph = as_picture(photo, longer_side=settings.size)
        stylized = self.stylize(photograph, settings, mask=mask, outside=outside)
        return in_the_form_of(photo, stylized)

    def stylize(
        self,
        picture: Picture,
        settings: StyleSettings = DEFAULT_STYLE,
        *,
        mask: MaskInput | None = None,
        outside: Optional["Stylizer"] = None,
        **keywords: Unpack[StyleKeywords],
    ) -> Picture:
        """The stylized picture, with the same alpha and metadata.

        Args:
            picture: the photograph.
            settings: how it is stylized.
            mask: as for a call.
            outside: as for a call.
            keywords: fields of `StyleSettings` that replace those of `settings`.

        Raises:
            PictureFileError: the mask cannot be read.
            PictureError: it is no mask, or has another aspect ratio than the photograph.
            SettingError: a setting is out of range, or `outside` comes without a mask.
            ModelFileError: the model cannot be run.
        """
        (stylized,) = self.stylize_all([picture], settings, mask=mask, outside=outside, **keywords)
        return stylized

    def stylize_all(
        self,
        pictures: Sequence[Picture],
        settings: StyleSettings = DEFAULT_STYLE,
        *,
        mask: MaskInput | None = None,
        outside: Optional["Stylizer"] = None,
        **keywords: Unpack[StyleKeywords],
    ) -> list[Picture]:
        """The stylized pictures in their order, each as `stylize` makes it.

        Pictures of one size that follow each other go through the network together.

        Args:
            pictures: the photographs.
            settings: how they are stylized.
            mask: one for all of them, as for a call.
            outside: as for a call.
            keywords: fields of `StyleSettings` that replace those of `settings`.

        Raises:
            PictureFileError: the mask cannot be read.
            PictureError: it is no mask, or has another aspect ratio than a photograph.
            SettingError: a setting is out of range, or `outside` comes without a mask.
            ModelFileError: the model cannot be run.
        """
        settings = dataclasses.replace(settings, **keywords)
        size = settings.size
        photographs = [
            picture if size is None else resize_longer_side(picture, size) for picture in pictures
        ]
        if mask is not None:
            settings = dataclasses.replace(settings, size=None)
            return stylize_by_masks(
                photographs,
                repeat(as_mask(mask)),
                inside=partial(self.stylize_all, settings=settings),
                outside=None
                if outside is None
                else partial(outside.stylize_all, settings=settings),
            )
        if outside is not None:
            raise SettingError("outside is a style for where a mask is black; give a mask too")
        if settings.strength == 0:
            return photographs
        stylized = self._predictor.predict_all(
            [(fill_transparent(photograph), photograph.bits) for photograph in photographs]
        )
        return [
            photograph.with_rgb(settings.finish(rgb, photograph.rgb))
            for photograph, rgb in zip(photographs, stylized, strict=True)
        ]
