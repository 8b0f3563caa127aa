"""What a person names as a style becomes a model of one style.

A style is a model, a style of the network for any painting, a painting, or a mixture. Of several
that have one name, the first of these is meant: a model by name, a style of the network by name, a
file. Where a network is asked for, its own names come first.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import PIL.Image
from numpy.typing import NDArray

from impasto.errors import ModelFileError, PictureFileError, SettingError
from impasto.images.files.io import read_header
from impasto.images.files.listing import READABLE_SUFFIXES
from impasto.runtime.network_styles import (
    NetworkStyle,
    NetworkStyles,
    check_stroke_of_named,
    open_network,
)
from impasto.runtime.style_mixtures import parse_mixture
from impasto.system.input_files import open_given_file, special_kind
from impasto.system.visible_text import shown_path
from impasto.zoo.download import is_address
from impasto.zoo.model_file import ModelFile
from impasto.zoo.names import ANY_PAINTING
from impasto.zoo.registry import MODEL_SUFFIX, is_model_name, resolve_model, unknown_model
from impasto.zoo.style_file import is_style_file

SMALLEST_STROKE, LARGEST_STROKE = 0.5, 2.0

Style = str | os.PathLike[str] | ModelFile | PIL.Image.Image | NDArray[Any] | Mapping[Any, float]
"""A name, file, URL or mixture as text; a file; a model; a painting; or weights of a mixture."""

Network = str | os.PathLike[str] | ModelFile


def resolve_style(
    style: Style,
    *,
    network: Network | None = None,
    stroke: float = 1.0,
    quantized: bool = False,
) -> ModelFile:
    """The model of one style.

    Args:
        style: see `Style`; forms of texts are those of `impasto.Stylizer`.
        network: the network for any painting; None is the one named `any_painting`.
        stroke: size of the strokes of paintings given as files or in memory.
        quantized: the int8 model of a model.

    Raises:
        UnknownModelError: neither a name nor a file; or there is no such network.
        ModelFileError: a model that cannot be used, or an int8 model that there is not.
        PictureFileError, PictureError: a painting that cannot be used.
        SettingError: a stroke or weights out of range, or a setting that this style has not.
        DownloadError: the model cannot be downloaded.
    """
    if not SMALLEST_STROKE <= stroke <= LARGEST_STROKE:
        raise SettingError(
            f"stroke is {stroke!r}, expected a number from {SMALLEST_STROKE:g} to "
            f"{LARGEST_STROKE:g}"
        )
    found = _of_network(style, network, stroke)
    if found is None:
        assert isinstance(style, str | os.PathLike | ModelFile)
        shown = as_text(style)
        check_stroke_of_named(shown, stroke)
        if network is not None:
            raise SettingError(
                f"{shown} is a model of its own; a network is for paintings and for the styles "
                "that it holds: leave it out"
            )
        return resolve_model(style, task="style-transfer", quantized=quantized)
    if quantized:
        raise ModelFileError(
            f"{as_text(style)} is a style of the network for any painting, which has no int8 "
            "model; use another precision"
        )
    styles, network_style = found
    return styles.model(network_style)


def as_text(style: Style) -> str:
    """What messages call a style."""
    if isinstance(style, ModelFile):
        return str(style)
    return shown_path(style) if isinstance(style, str | os.PathLike) else "the painting"


def _of_network(
    style: Style, network: Network | None, stroke: float
) -> tuple[NetworkStyles, NetworkStyle] | None:
    """A style of a network; None for a model."""
    if isinstance(style, ModelFile) or (isinstance(style, str) and is_address(style)):
        return None
    if isinstance(style, str):
        shares = parse_mixture(style)
        if shares is not None:
            style = shares
        elif not _is_path(style):
            named = _named(style, network, stroke)
            if named is not None or is_model_name(style):
                return named
            _check_is_file(style, network)
    if isinstance(style, str | os.PathLike) and is_style_file(style):
        check_stroke_of_named(shown_path(style), stroke)
        styles = open_network(network)
        return styles, styles.of_file(style)
    if isinstance(style, str | os.PathLike) and not is_painting(Path(style)):
        return None
    styles = open_network(network)
    if isinstance(style, Mapping):
        return styles, styles.mixture(style, stroke=stroke)
    return styles, styles.of_painting(style, stroke=stroke)


def _named(
    name: str, network: Network | None, stroke: float
) -> tuple[NetworkStyles, NetworkStyle] | None:
    """A style by its name, where the network is the one to ask."""
    if network is None and (is_model_name(name) or not is_model_name(ANY_PAINTING)):
        return None
    styles = open_network(network)
    if name not in styles.names:
        return None
    check_stroke_of_named(name, stroke)
    return styles, styles.named(name)


def _check_is_file(text: str, network: Network | None) -> None:
    """Refuse a text that is no name and no file.

    Raises:
        UnknownModelError: it is neither.
    """
    is_file = os.path.isfile(text) or is_style_file(text)  # noqa: PTH113
    if is_file or Path(text).suffix.lower() in READABLE_SUFFIXES:
        return
    has_network = network is not None or is_model_name(ANY_PAINTING)
    raise unknown_model(text, styles=open_network(network).names if has_network else ())


def _is_path(text: str) -> bool:
    separators = {os.sep, os.altsep or os.sep, "/"}
    return text.endswith(MODEL_SUFFIX) or any(separator in text for separator in separators)


def is_painting(path: Path) -> bool:
    """Whether a file is a painting and not a model.

    Raises:
        ModelFileError: it is neither, or not there.
    """
    suffix = path.suffix.lower()
    if suffix == MODEL_SUFFIX or suffix in READABLE_SUFFIXES:
        return suffix != MODEL_SUFFIX
    if special_kind(path) is not None:  # a pipe would wait for its writer
        return False
    shown = shown_path(path)
    try:
        read_header(path)
    except PictureFileError:
        pass
    else:
        return True
    try:
        with open_given_file(path) as file:
            begin = file.read(1)
    except FileNotFoundError:
        raise ModelFileError(
            f"{shown}: expected a model file (.onnx) or a painting, but it is not there"
        ) from None
    except OSError:
        return False  # the reader of models says why
    if begin != b"\x08":  # of every ONNX file that we write
        raise ModelFileError(
            f"{shown} is neither a model file (.onnx) nor a picture; expected one of them"
        )
    return False
