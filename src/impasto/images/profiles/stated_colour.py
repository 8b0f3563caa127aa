"""What colours the numbers of a file are: by profile, by cICP or nclx, by gAMA and cHRM, by EXIF.

Whatever a file says becomes an ICC profile here, so that one conversion serves all; see
`colour_profile`. A PNG's order is cICP, iCCP, sRGB, gAMA and cHRM, then EXIF; elsewhere a profile
comes first, then nclx, then EXIF.

Sources: PNG Specification, third edition, 4.3; ITU-T H.273, tables 2 and 3; EXIF 2.32, 4.6.5.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from impasto.images.metadata.selection import exif_at_hand
from impasto.images.profiles.profile_making import Chromaticities, made_profile
from impasto.images.profiles.transfer_functions import transfer_curve

CICP = "cicp"
"""Where an image's `info` keeps primaries, transfer function, matrix and range; see `opening`."""

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
# cICP, gAMA and EXIF speak of RGB or grey, never of these.
_OTHER_MODES = frozenset({"CMYK", "LAB"})
_D65, _C, _E = (0.3127, 0.329), (0.31, 0.316), (1 / 3, 1 / 3)
_SRGB_PRIMARIES = (_D65, (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_SMPTE_C = (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07))
_PRIMARIES: dict[int, Chromaticities] = {
    1: _SRGB_PRIMARIES,
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    10: (_E, (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    22: (_D65, (0.63, 0.34), (0.295, 0.605), (0.155, 0.077)),
}
_SRGB_TRANSFER = 13
_LIKE_SRGB = (1, 6, 7, 11, 12, 14, 15, _SRGB_TRANSFER)
"""Cameras' curves, which screens show as they show sRGB; so do browsers."""

_ADOBE_RGB: Chromaticities = (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
# Adobe RGB (1998): 2 and 51/256.
_ADOBE_GAMMA = 563 / 256
_UNCALIBRATED, _ADOBE_COLOR_SPACE = 65_535, 2
_INTEROPERABILITY_INDEX = 1

_SRGB_GAMMA, _GAMMA_TOLERANCE, _PRIMARIES_TOLERANCE = 1 / 2.2, 0.005, 0.002
# Beyond these, primaries nearly in a line or white nearly black would make huge matrices.
_LEAST_AREA, _LEAST_WHITE, _LARGEST_CHROMATICITY = 0.005, 0.05, 2.0
_GAMMAS = (0.05, 10.0)


def stated_profile(image: Image.Image) -> bytes | None:
    """The ICC profile that an image's values are in; None is sRGB, or what says nothing.

    Args:
        image: as it was opened, see `opening`; one of Pillow's own has no cICP.
    """
    info, is_grey = image.info, image.mode in _GREY_MODES
    embedded = info.get("icc_profile")
    embedded = embedded if isinstance(embedded, bytes) and embedded else None
    if image.mode in _OTHER_MODES:
        return embedded
    cicp = _known_cicp(info.get(CICP), is_png=image.format == "PNG")
    if embedded is not None and (cicp is None or image.format != "PNG"):
        return embedded
    if cicp is not None:
        return _profile_of_cicp(*cicp, is_grey)
    if isinstance(info.get("srgb"), int):
        return None
    if "gamma" in info or "chromaticity" in info:
        return _profile_of_gamma(info, is_grey=is_grey)
    return made_profile(_ADOBE_RGB, _ADOBE_GAMMA, is_grey) if _is_adobe_rgb(image) else None


def _known_cicp(stated: object, *, is_png: bool) -> tuple[int, int, bool] | None:
    """Primaries, transfer function and whether the range is full; None where it says nothing."""
    if not isinstance(stated, tuple) or len(stated) != 4:
        return None
    primaries, transfer, matrix, full = stated
    is_known = primaries in _PRIMARIES and (
        transfer in _LIKE_SRGB or transfer_curve(transfer, full=bool(full)) is not None
    )
    if not is_known or (is_png and matrix != 0):  # a PNG holds RGB and nothing else
        return None
    return primaries, transfer, bool(full)


@functools.lru_cache(maxsize=16)
def _profile_of_cicp(primaries: int, transfer: int, full: bool, is_grey: bool) -> bytes | None:
    code = _SRGB_TRANSFER if transfer in _LIKE_SRGB else transfer
    if code == _SRGB_TRANSFER and full and (is_grey or primaries == 1):
        return None
    curve = transfer_curve(code, full=full)
    assert curve is not None  # known, or it would not be here
    return made_profile(_PRIMARIES[primaries], curve, is_grey)


def _profile_of_gamma(info: dict[Any, Any], *, is_grey: bool) -> bytes | None:
    gamma, primaries = info.get("gamma"), _chromaticities(info.get("chromaticity"))
    if not (isinstance(gamma, float) and _GAMMAS[0] <= gamma <= _GAMMAS[1]):
        gamma = None
    if gamma is None and primaries is None:
        return None
    near = primaries is None or is_grey
    if primaries is not None:
        distances = np.abs(np.array(primaries) - np.array(_SRGB_PRIMARIES))
        near = near or bool(distances.max() <= _PRIMARIES_TOLERANCE)
    if near and (gamma is None or abs(gamma - _SRGB_GAMMA) <= _GAMMA_TOLERANCE):
        return None  # what writers of sRGB put there
    curve: NDArray[np.float64] | float | None = (
        transfer_curve(_SRGB_TRANSFER, full=True) if gamma is None else 1 / gamma
    )
    assert curve is not None
    return made_profile(primaries or _SRGB_PRIMARIES, curve, is_grey)


def _chromaticities(stated: object) -> Chromaticities | None:
    """White, red, green and blue of a chunk cHRM; None where they span no colours."""
    if not isinstance(stated, tuple) or len(stated) != 8:
        return None
    white, red, green, blue = ((float(stated[k]), float(stated[k + 1])) for k in range(0, 8, 2))
    corners = np.array([[1, *point] for point in (red, green, blue)])
    is_sane = (
        white[1] > _LEAST_WHITE
        and sum(white) < 1
        and abs(np.linalg.det(corners)) > _LEAST_AREA
        and max(stated) <= _LARGEST_CHROMATICITY
    )
    return (white, red, green, blue) if is_sane else None


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says so: by the name of its interoperability, or as some cameras do, by 2."""
    try:
        exif = exif_at_hand(image)
        color_space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(_INTEROPERABILITY_INDEX)
    except Exception:  # damaged EXIF raises nearly anything, and the pixels may still be good
        return False
    is_named = isinstance(index, str) and index.rstrip("\0 ") == "R03"
    return color_space == _ADOBE_COLOR_SPACE or (color_space == _UNCALIBRATED and is_named)
