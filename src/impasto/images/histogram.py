"""Histogram matching: the tones of one picture given to another, channel by channel."""

import numpy as np
from numpy.typing import NDArray

from impasto.images.colour import check_rgb_shape


def match_histogram(
    rgb: NDArray[np.floating], reference: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The picture with each channel's distribution of values made that of a reference.

    A value becomes the one that has the same rank among the reference's, interpolated between
    them: its share of smaller values, counting half of the equal ones. Where a value lies among
    the others is kept, so that edges stay; a picture matched to itself does not change.

    Args:
        rgb: H×W×3 float.
        reference: H'×W'×3 float, of any size.

    Returns:
        H×W×3 float32, within the range of the reference.

    Raises:
        PictureError: either is not such an array.

    Source: Johnson et al. 2016, section 4.2, who match super-resolved pictures to their
    low-resolution input.
    """
    check_rgb_shape(rgb, "rgb")
    check_rgb_shape(reference, "reference")
    matched = np.empty(rgb.shape, np.float32)
    for c in range(3):
        values, ranks = _ranks(rgb[..., c])
        reference_values, reference_ranks = _ranks(reference[..., c])
        new_values = np.interp(ranks, reference_ranks, reference_values)
        matched[..., c] = np.interp(rgb[..., c], values, new_values)
    return matched


def _ranks(channel: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values that occur, ascending, and the share of values below each, half of the equal."""
    values, counts = np.unique(channel, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / channel.size
    return values.astype(np.float64), ranks
