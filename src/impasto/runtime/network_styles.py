"""The styles of a network for any painting: by name, from paintings, and mixtures of both.

A style becomes a model of one style, which every runtime takes. What a text means that a person
gives: `style_resolution`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import ModelFileError, SettingError, UnknownModelError
from impasto.images.files.listing import READABLE_SUFFIXES
from impasto.runtime.painting_styles import PaintingStyles
from impasto.runtime.paintings import PaintingInput
from impasto.runtime.style_mixtures import normalised
from impasto.system.visible_text import shown_path
from impasto.zoo.card import Painting, as_line, model_name
from impasto.zoo.model_file import ModelFile
from impasto.zoo.names import ANY_PAINTING
from impasto.zoo.registry import MODEL_SUFFIX, is_model_name, resolve_model
from impasto.zoo.style_file import is_style_file, read_style_file
from impasto.zoo.style_vectors import StyleNetwork, read_style_network


@dataclass(frozen=True, slots=True, eq=False)
class NetworkStyle:
    """A style of a network.

    Attributes:
        name: short, safe as a file name.
        title: for display.
        constants: float32 K, the norm constants.
        painting: that it is the style of; None for mixtures and paintings from memory.
    """

    name: str
    title: str
    constants: NDArray[np.float32] = field(repr=False)
    painting: Painting | None = None


class NetworkStyles:
    """The styles of one network for any painting.

    Args:
        network: as it was read.
    """

    def __init__(self, network: StyleNetwork) -> None:
        self._network = network
        self._of_painting = PaintingStyles(network)

    @property
    def names(self) -> list[str]:
        """Names of the styles that the network's file holds."""
        return list(self._network.table.styles)

    def named(self, name: str) -> NetworkStyle:
        """A style that the network's file holds.

        Raises:
            KeyError: there is none of that name.
        """
        style = self._network.table.styles[name]
        constants = self._network.named_constants(name)
        return NetworkStyle(name, style.title, constants, style.painting)

    def of_painting(self, painting: PaintingInput, *, stroke: float = 1.0) -> NetworkStyle:
        """The style of a painting: see `PaintingStyles`."""
        encoded = self._of_painting(painting, stroke=stroke)
        constants = self._network.constants(encoded.vector)
        if isinstance(painting, PIL.Image.Image | np.ndarray):
            return NetworkStyle("painting", "A painting", constants)
        path = Path(painting)
        title = as_line(path.stem)[:200]
        record = Painting(
            title=title,
            source=as_line(path.name)[:200],
            sha256=encoded.sha256,
            short_side=encoded.short_side,
        )
        return NetworkStyle(model_name(path.stem), title, constants, record)

    def of_file(self, path: str | os.PathLike[str]) -> NetworkStyle:
        """The style of an add-on file, see `zoo.style_file`.

        Raises:
            ModelFileError: the file cannot be used, or is for another network.
        """
        style = read_style_file(path)
        constants = style.constants_for(self._network)
        return NetworkStyle(style.name, style.title, constants, style.painting)

    def of_text(self, text: str | os.PathLike[str], *, stroke: float = 1.0) -> NetworkStyle:
        """A style of the network by its name, else that of an add-on or a painting by its file.

        Raises:
            SettingError: another stroke than 1 for a style that has a name.
            ModelFileError: it is a model of one style.
            UnknownModelError: neither a style of the network nor a file.
            PictureFileError: the file cannot be read.
        """
        shown = shown_path(text)
        if isinstance(text, str) and text in self._network.table.styles:
            check_stroke_of_named(text, stroke)
            return self.named(text)
        path = Path(text)
        if is_style_file(path):
            check_stroke_of_named(shown, stroke)
            return self.of_file(path)
        if path.suffix == MODEL_SUFFIX or (isinstance(text, str) and is_model_name(text)):
            raise ModelFileError(
                f"{shown} is a model of one style and cannot be mixed; expected paintings' files, "
                f"or styles of the network {self._network.model.card.name}: {self._listed()}"
            )
        is_file = os.path.isfile(text) or path.suffix.lower() in READABLE_SUFFIXES  # noqa: PTH113
        if not is_file:
            raise UnknownModelError(
                f"there is no style {shown} to mix; expected paintings' files, or styles of the "
                f"network {self._network.model.card.name}: {self._listed()}"
            )
        return self.of_painting(path, stroke=stroke)

    def mixture(self, weights: Mapping[Any, float], *, stroke: float = 1.0) -> NetworkStyle:
        """The mixture of several styles.

        Args:
            weights: of each style, by its name or its painting's file; divided by their sum.
            stroke: of paintings' files.

        Raises:
            SettingError: weights that `style_mixtures.normalised` refuses.
            ModelFileError, UnknownModelError, PictureFileError: as `of_text`.
        """
        texts = {os.fspath(style): style for style in weights}
        shares = normalised((os.fspath(style), weight) for style, weight in weights.items())
        styles = [(self.of_text(texts[text], stroke=stroke), shares[text]) for text in shares]
        return mixed(styles)

    def model(self, style: NetworkStyle) -> ModelFile:
        """The model of one style."""
        return self._network.in_style(
            style.constants, name=style.name, title=style.title, painting=style.painting
        )

    def _listed(self) -> str:
        return ", ".join(self.names) or "none"


def mixed(styles: list[tuple[NetworkStyle, float]]) -> NetworkStyle:
    """The mixture of styles with their shares, whose sum is 1."""
    # Norm constants are affine in style vectors, and of tuned styles they are all there is.
    terms = [np.float32(share) * style.constants for style, share in styles]
    return NetworkStyle(
        model_name("-".join(style.name for style, _ in styles)),
        ", ".join(f"{share:.0%} {style.title}" for style, share in styles)[:1000],
        np.sum(terms, axis=0, dtype=np.float32),
    )


def check_stroke_of_named(shown: str, stroke: float) -> None:
    """Refuse a stroke for a style whose strokes have their size.

    Raises:
        SettingError: a stroke other than 1.
    """
    if stroke != 1:
        raise SettingError(
            f"the strokes of {shown} have a fixed size; another stroke than 1 needs a painting's "
            "file as the style"
        )


def open_network(network: str | os.PathLike[str] | ModelFile | None = None) -> NetworkStyles:
    """The network for any painting with this name, in this file or at this URL.

    Args:
        network: None for the one named `any_painting`.

    Raises:
        UnknownModelError: no model of that name.
        ModelFileError: the file cannot be used, or is a network for one style.
        DownloadError: it cannot be downloaded.
    """
    if network is None and not is_model_name(ANY_PAINTING):
        raise UnknownModelError(
            f"paintings and mixtures need the network for any painting, and there is no model "
            f"{ANY_PAINTING!r}; name another such network, or add one by 'impasto models add'"
        )
    model = resolve_model(ANY_PAINTING if network is None else network, task="style-transfer")
    return NetworkStyles(read_style_network(model))
