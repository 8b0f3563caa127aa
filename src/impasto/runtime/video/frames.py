"""Decoded frames to float32 RGB and back: matrix, range, size and orientation.

libswscale converts between luma, chroma and R'G'B', within 3/255 of the formula there and back.
Transfer curves and primaries stay as they are, so that a screen shows the result as it would show
the video. Invisible colours of transparent pixels are replaced.
"""

from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from impasto.images.picture import Picture, resize_picture
from impasto.runtime.input_pictures import fill_transparent
from impasto.runtime.video.facts import ColourTags

_LIMITED, _FULL = 1, 2
_BT601_COEFFICIENTS = 5
_COEFFICIENTS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # H.273's matrices in libswscale
_DEEP_BITS = 8
_SHALLOW = {"rgb": "rgb24", "rgba": "rgba"}
_DEEP = {"rgb": "rgb48le", "rgba": "rgba64le"}
_BYTE, _WORD = np.float32(255), np.float32(65535)

Orientation = tuple[bool, bool, bool]
"""What makes a frame upright: exchange its axes, then mirror left-right, then mirror up-down."""


def coefficients_of(matrix: int) -> int:
    """Libswscale's number of a matrix of H.273; BT.601 for matrices that it does not know."""
    return _COEFFICIENTS.get(matrix, _BT601_COEFFICIENTS)


def has_alpha(frame: VideoFrame) -> bool:
    """Whether a frame has an alpha channel."""
    return any(component.is_alpha for component in frame.format.components)


def frame_to_colours(
    frame: VideoFrame,
    *,
    width: int,
    height: int,
    colour: ColourTags,
    orientation: Orientation,
    has_alpha: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The upright frame's colours, height×width×3, and its alpha if it has one.

    Alpha weighs the colours in resizing, and invisible colours are replaced, as in photographs.

    Args:
        frame: as decoded.
        width: of the upright result, in pixels.
        height: of the upright result, in pixels.
        colour: the video's.
        orientation: the video's.
        has_alpha: whether to return alpha.
    """
    if not has_alpha:
        return frame_to_rgb(
            frame, width=width, height=height, colour=colour, orientation=orientation
        ), None
    # At full size first: libswscale resizes without weights, and would mix hidden colours in.
    sides = (frame.height, frame.width) if orientation[0] else (frame.width, frame.height)
    pixels = _upright_pixels(frame, sides, colour=colour, orientation=orientation, layout="rgba")
    picture = Picture(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]))
    picture = resize_picture(picture, width=width, height=height)
    return fill_transparent(picture), picture.alpha


def on_white(rgb: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours H×W×3 composited over white by alpha H×W."""
    opacity = alpha[..., np.newaxis]
    composited: NDArray[np.float32] = rgb * opacity + (1 - opacity)
    return composited


def frame_to_rgb(
    frame: VideoFrame, *, width: int, height: int, colour: ColourTags, orientation: Orientation
) -> NDArray[np.float32]:
    """The upright frame, float32 height×width×3 in [0, 1].

    Args:
        frame: as decoded, of 8 bits or more.
        width: of the upright result, in pixels.
        height: of the upright result, in pixels.
        colour: the video's.
        orientation: the video's.
    """
    return _upright_pixels(
        frame, (width, height), colour=colour, orientation=orientation, layout="rgb"
    )


def _upright_pixels(
    frame: VideoFrame,
    sides: tuple[int, int],
    *,
    colour: ColourTags,
    orientation: Orientation,
    layout: str,
) -> NDArray[np.float32]:
    """The upright frame, resized to `sides`, float32 H×W×3, or H×W×4 for the layout `rgba`."""
    is_deep = frame.format.components[0].bits > _DEEP_BITS
    # Resize before rotating: libswscale sees the frame as it is stored.
    columns, rows = sides[::-1] if orientation[0] else sides
    # Matrix and range are stated: a frame may lack them, and libswscale then takes BT.601 at any
    # height, as players do not.
    pixels = frame.reformat(
        width=columns,
        height=rows,
        format=(_DEEP if is_deep else _SHALLOW)[layout],
        src_colorspace=coefficients_of(colour.matrix),
        src_color_range=_FULL if colour.is_full_range else _LIMITED,
        dst_color_range=_FULL,
    ).to_ndarray()
    upright = oriented(pixels, orientation)
    rgb: NDArray[np.float32] = np.divide(upright, _WORD if is_deep else _BYTE, dtype=np.float32)
    return np.ascontiguousarray(rgb)


def rgb_to_frame(rgb: NDArray[np.float32], *, colour: ColourTags) -> VideoFrame:
    """A picture as a frame of 8 bits, yuv420p.

    Args:
        rgb: float32 H×W×3 in [0, 1], H and W even.
        colour: the tags that the frame gets, and is encoded by.
    """
    frame = av.VideoFrame.from_ndarray(_whole_numbers(rgb, _BYTE, np.uint8), "rgb24")
    return _encodable(frame, "yuv420p", colour)


def rgba_to_frame(
    rgb: NDArray[np.float32],
    alpha: NDArray[np.float32],
    *,
    colour: ColourTags,
    pixel_format: str,
) -> VideoFrame:
    """A picture with alpha as a frame of the encoder's depth.

    Args:
        rgb: float32 H×W×3 in [0, 1], H and W even.
        alpha: float32 H×W in [0, 1].
        colour: the tags that the frame gets, and is encoded by.
        pixel_format: of the encoder, with luma, chroma and alpha.
    """
    rgba = np.dstack([rgb, alpha])
    pixels = _whole_numbers(rgba, _WORD, np.uint16)
    return _encodable(av.VideoFrame.from_ndarray(pixels, "rgba64le"), pixel_format, colour)


def _whole_numbers(
    values: NDArray[np.float32], largest: np.float32, kind: type[np.unsignedinteger[Any]]
) -> NDArray[Any]:
    scaled = values * largest
    scaled += np.float32(0.5)  # in place: a frame is large, and conversion cuts the fraction off
    return np.ascontiguousarray(scaled.astype(kind))


def _encodable(frame: VideoFrame, pixel_format: str, colour: ColourTags) -> VideoFrame:
    converted = frame.reformat(
        format=pixel_format,
        src_color_range=_FULL,
        dst_colorspace=coefficients_of(colour.matrix),
        dst_color_range=_FULL if colour.is_full_range else _LIMITED,
    )
    # Tagged anew: `reformat` took libswscale's numbers, the file gets those of H.273.
    converted.colorspace = colour.matrix
    converted.color_primaries = colour.primaries
    converted.color_trc = colour.transfer
    converted.color_range = _FULL if colour.is_full_range else _LIMITED
    return converted


def orientation_of(frame: VideoFrame) -> Orientation:
    """A frame's orientation from its display matrix: right angles and mirrors.

    Source: libavutil's `display.h`; a point (x, y) is shown at (a·x + c·y, b·x + d·y), where the
    matrix begins with a, b, 0, c, d.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (False, False, False)
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return (True, c < 0, b < 0)
    return (False, a < 0, d < 0)


def oriented(pixels: NDArray[np.generic], orientation: Orientation) -> NDArray[np.generic]:
    """Pixels H×W×C with their axes exchanged and mirrored; a view."""
    exchanged, left_right, up_down = orientation
    if exchanged:
        pixels = pixels.swapaxes(0, 1)
    if left_right:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if up_down else pixels
