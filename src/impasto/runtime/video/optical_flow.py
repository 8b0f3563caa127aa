"""Dense optical flow: for each pixel of a frame, its position in the previous frame.

Pyramidal Lucas-Kanade, computed by OpenVINO (numpy took seven times as long). Its use against
flicker is in `stabilization`.

Written by hand: OpenCV's DIS is 6 times as fast (2 times at its finest scale), but stabilized
frames flicker alike with it, and it installs 153 MB and a second FFmpeg beside PyAV's 104 MB.
"""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.backends.openvino_backend import Graph, compile_graph

# A coarser level would be little more than one window. Three warps of at most 1.5 pixels on the
# fifth level, where a pixel is 16 of the frame, follow motion of up to 72 pixels.
_COARSEST_SIDE = 12
_MAX_LEVELS = 5
_NUM_WARPS = 3
_WINDOW_RADIUS = 4
_SMOOTHING_RADIUS = 3

_STIFFNESS = 3e-4
"""Added to the squared gradients, in luma² per pixel²: where a frame is flat, the flow of the
coarser level stays."""

_MAX_STEP = 1.5
"""Largest correction of one warp, in pixels of its level: the linearisation holds no further."""


def estimate_flow(frame: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """The flow to the previous frame: `before` at x + flow(x) shows the same as `frame` at x.

    Args:
        frame: luma H×W, float32 in [0, 1].
        before: luma of the previous frame, of the same size.

    Returns:
        H×W×2 float32, displacements along columns and rows, in pixels.

    Source: Lucas and Kanade 1981, *An iterative image registration technique*; Bouguet 2001,
    *Pyramidal implementation of the Lucas Kanade feature tracker*. Departs from them: every pixel
    is tracked, and between warps the flow is averaged over neighbours, weighted by their texture.
    """
    height, width = frame.shape
    levels = 1
    while levels < _MAX_LEVELS and min(height, width) >> levels >= _COARSEST_SIDE:
        levels += 1
    # Sizes that halve without a rest at every level, so that doubled flow fits the next one.
    padding = [(0, -size % 2 ** (levels - 1)) for size in (height, width)]
    padded = [np.pad(luma, padding, mode="edge") for luma in (frame, before)]
    graph = _flow_graph(*padded[0].shape, levels)
    flow = graph(*(luma[np.newaxis, np.newaxis] for luma in padded))[0]
    return np.ascontiguousarray(flow[:, :height, :width].transpose(1, 2, 0))


def warp(picture: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture sampled at x + flow(x), by a cubic kernel, so that it stays sharp.

    Args:
        picture: H×W×C float32. Beyond the border its last pixel is repeated.
        flow: H×W×2 float32, displacements along columns and rows, in pixels.

    Returns:
        H×W×C float32. Not clipped: the kernel rings at edges.

    Source: Keys 1981, *Cubic convolution interpolation*, a = -0.75.
    """
    graph = _warp_graph(*picture.shape)
    planes = picture.transpose(2, 0, 1)[np.newaxis]
    warped: NDArray[np.float32] = graph(planes, flow.transpose(2, 0, 1)[np.newaxis])[0]
    return warped.transpose(1, 2, 0)


def is_inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """H×W, whether x + flow(x) lies within the previous frame."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width] + np.moveaxis(flow, -1, 0)[::-1]
    inside: NDArray[np.bool_] = (
        (columns > -0.5) & (columns < width - 0.5) & (rows > -0.5) & (rows < height - 0.5)
    )
    return inside


def shrink(array: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """The means of blocks of factor × factor pixels, the last row and column repeated to fill them.

    Args:
        array: H×W×C float32.
        factor: at least 1.
    """
    if factor == 1:
        return array
    below, right = (-size % factor for size in array.shape[:2])
    padded = np.pad(array, ((0, below), (0, right), (0, 0)), mode="edge")
    height, width = (size // factor for size in padded.shape[:2])
    blocks = padded.reshape(height, factor, width, factor, -1)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def enlarge(
    array: NDArray[np.float32], factor: int, *, height: int, width: int
) -> NDArray[np.float32]:
    """The inverse of `shrink`, by linear interpolation.

    Args:
        array: H×W×C float32.
        factor: at least 1.
        height: rows of the result.
        width: columns of the result.
    """
    if factor == 1:
        return array
    for axis, size in enumerate((height, width)):
        positions = ((np.arange(size) + 0.5) / factor - 0.5).clip(0, array.shape[axis] - 1)
        first = np.floor(positions).astype(np.intp)
        second = np.minimum(first + 1, array.shape[axis] - 1)
        weight = (positions - first).astype(np.float32).reshape(-1, *[1] * (array.ndim - axis - 1))
        lower = np.take(array, first, axis=axis)
        array = lower + weight * (np.take(array, second, axis=axis) - lower)
    return array


# Compiled once for each size. A stabilized video has two: shrunken frames, and whole ones with
# their stylized pictures.
@functools.lru_cache(maxsize=4)
def _warp_graph(height: int, width: int, channels: int) -> Graph:
    def build(ops: ModuleType) -> tuple[list[Any], Any]:
        picture = ops.parameter([1, channels, height, width], np.float32)
        flow = ops.parameter([1, 2, height, width], np.float32)
        return [picture, flow], _sampled(ops, picture, flow, height, width, kernel="bicubic")

    return compile_graph(build)


@functools.lru_cache(maxsize=4)
def _flow_graph(height: int, width: int, levels: int) -> Graph:
    def build(ops: ModuleType) -> tuple[list[Any], Any]:
        lumas = [ops.parameter([1, 1, height, width], np.float32) for _ in range(2)]
        pyramids = [_pyramid(ops, luma, levels) for luma in lumas]
        flow = None
        for level in reversed(range(levels)):
            size = height >> level, width >> level
            if flow is None:
                flow = ops.constant(np.zeros((1, 2, *size), np.float32))
            else:
                flow = _doubled(ops, flow)
            # One step is a linearisation, good for small motion: warp and linearise again.
            for _ in range(_NUM_WARPS):
                flow = _improved(ops, flow, pyramids[0][level], pyramids[1][level], size)
        return lumas, flow

    return compile_graph(build)


def _pyramid(ops: ModuleType, luma: Any, levels: int) -> list[Any]:
    pyramid = [luma]
    for _ in range(levels - 1):
        # Means of 2×2 alone let aliases through, which would move against the picture.
        smooth = _box_mean(ops, pyramid[-1], 1)
        pyramid.append(ops.avg_pool(smooth, [2, 2], [0, 0], [0, 0], [2, 2], True))
    return pyramid


def _improved(ops: ModuleType, flow: Any, luma: Any, before: Any, size: tuple[int, int]) -> Any:
    """One Gauss-Newton step in each pixel's window, then an average over neighbours.

    To first order `before` at x + flow + step is warped + gradient · step; the step makes that the
    nearest to luma in least squares over the window.
    """
    warped = _sampled(ops, before, flow, *size, kernel="bilinear")
    # The gradient of the mean of both frames: noise of one of them biases the step less.
    across, down = _gradient(ops, (luma + warped) / _number(ops, 2))
    difference = luma - warped
    products = [across * across, across * down, down * down, across * difference, down * difference]
    means = _box_mean(ops, ops.concat(products, 1), _WINDOW_RADIUS)
    xx, xy, yy, xt, yt = (_channels(ops, means, index, index + 1) for index in range(5))
    stiffness = _number(ops, _STIFFNESS)
    xx, yy = xx + stiffness, yy + stiffness
    # At least the stiffness squared, so that nothing is divided by 0.
    determinant = xx * yy - xy * xy
    step = ops.concat([yy * xt - xy * yt, xx * yt - xy * xt], 1)
    improved = flow + ops.clamp(step / determinant, -_MAX_STEP, _MAX_STEP)
    # Near the smaller eigenvalue: small along an edge too, where one direction is unknown.
    trust = determinant / (xx + yy)
    weighted = _box_mean(ops, ops.concat([improved * trust, trust], 1), _SMOOTHING_RADIUS)
    return _channels(ops, weighted, 0, 2) / _channels(ops, weighted, 2, 3)


def _sampled(
    ops: ModuleType, picture: Any, flow: Any, height: int, width: int, *, kernel: str
) -> Any:
    """The picture at x + flow(x). A grid counts from -1 to 1, from edge to edge of the picture."""
    centres = np.mgrid[:height, :width][::-1].astype(np.float32)[np.newaxis] + np.float32(0.5)
    to_unit = np.array([2 / width, 2 / height], np.float32).reshape(1, 2, 1, 1)
    positions = (flow + ops.constant(centres)) * ops.constant(to_unit) - _number(ops, 1)
    grid = ops.transpose(positions, ops.constant(np.array([0, 2, 3, 1])))
    settings = {"align_corners": False, "mode": kernel, "padding_mode": "border"}
    return ops.grid_sample(picture, grid, settings)


def _gradient(ops: ModuleType, luma: Any) -> tuple[Any, Any]:
    """Central differences along columns and rows; beyond the border the last pixel is repeated."""
    kernels = np.zeros((2, 1, 3, 3), np.float32)
    kernels[0, 0, 1, [0, 2]] = kernels[1, 0, [0, 2], 1] = -0.5, 0.5
    pads = ops.constant(np.array([0, 0, 1, 1]))
    padded = ops.pad(luma, pads, pads, "edge")
    both = ops.convolution(padded, ops.constant(kernels), [1, 1], [0, 0], [0, 0], [1, 1])
    return _channels(ops, both, 0, 1), _channels(ops, both, 1, 2)


def _box_mean(ops: ModuleType, array: Any, radius: int) -> Any:
    """Means over windows; at the border, over the part of the window inside."""
    side, pads = 2 * radius + 1, [radius, radius]
    return ops.avg_pool(array, [1, 1], pads, pads, [side, side], True)


def _doubled(ops: ModuleType, flow: Any) -> Any:
    """Flow of the next finer level."""
    factors = ops.constant(np.array([2, 2], np.float32))
    axes = ops.constant(np.array([2, 3]))
    larger = ops.interpolate(
        flow,
        factors,
        mode="linear_onnx",
        shape_calculation_mode="scales",
        coordinate_transformation_mode="half_pixel",
        axes=axes,
    )
    return larger * _number(ops, 2)


def _channels(ops: ModuleType, array: Any, start: int, stop: int) -> Any:
    bounds = (ops.constant(np.array([value])) for value in (start, stop, 1, 1))
    return ops.slice(array, *bounds)


def _number(ops: ModuleType, value: float) -> Any:
    return ops.constant(np.float32(value))
