import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from impasto.errors import MissingExtraError, PictureError
from impasto.metrics.fidelity import Protocol, psnr, rgb_to_luminance, shave, ssim, to_levels


def flat(*rgb, height=2, width=3):
    return np.broadcast_to(np.array(rgb) / 255, (height, width, 3))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(16, 236, (height, width)).astype(np.float64)


def wang_ssim(picture, truth):
    """SSIM as its authors wrote it in MATLAB (ssim_index.m): filter2(window, …, 'valid')."""
    bell = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    bell /= bell.sum()

    def mean(plane):
        across = ndimage.correlate1d(plane, bell, axis=1)
        return ndimage.correlate1d(across, bell, axis=0)[5:-5, 5:-5]

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    m1, m2 = mean(picture), mean(truth)
    v1, v2 = mean(picture**2) - m1**2, mean(truth**2) - m2**2
    covariance = mean(picture * truth) - m1 * m2
    top = (2 * m1 * m2 + c1) * (2 * covariance + c2)
    return (top / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))).mean()


@pytest.mark.parametrize(
    ("rgb", "luminance"),
    [
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((255, 0, 0), 81),  # 16 + 65.481
        ((0, 255, 0), 145),  # 16 + 128.553 = 144.553
        ((0, 0, 255), 41),  # 16 + 24.966 = 40.966
        ((128, 128, 128), 126),  # 16 + 128 · 219 / 255 = 125.93
    ],
)
def test_luminance_is_that_of_matlab(rgb, luminance):
    np.testing.assert_array_equal(rgb_to_luminance(flat(*rgb)), np.full((2, 3), luminance))


def test_luminance_begins_with_eight_bits():
    # 0.4 of a level below 128 rounds to 128 before it is weighted, and 1.3 is clipped to 255.
    np.testing.assert_array_equal(
        rgb_to_luminance(flat(127.6, 127.6, 127.6)), rgb_to_luminance(flat(128, 128, 128))
    )
    np.testing.assert_array_equal(to_levels(flat(331.5, -3, 0.5)), np.tile([255, 0, 1], (2, 3, 1)))


@given(st.integers(0, 255))
def test_luminance_of_a_grey_file_is_its_grey(level):
    np.testing.assert_array_equal(
        rgb_to_luminance(flat(level, level, level), grey=True), np.full((2, 3), level)
    )


def test_psnr_is_worked_out_by_hand():
    truth = np.full((4, 5), 100.0)
    assert psnr(truth + 1, truth) == pytest.approx(48.1308, abs=1e-4)  # 20 log10 255
    assert psnr(truth + 10, truth) == pytest.approx(28.1308, abs=1e-4)  # a tenth: 20 dB less
    one_of_twenty = truth.copy()
    one_of_twenty[0, 0] += 10  # mean square 5
    assert psnr(one_of_twenty, truth) == pytest.approx(20 * np.log10(255) - 10 * np.log10(5))
    assert psnr(truth, truth) == float("inf")


def test_ssim_of_flat_pictures_compares_their_means():
    # Without variance: (2ab + c1) / (a² + b² + c1), c1 = 2.55².
    expected = (2 * 100 * 120 + 6.5025) / (100**2 + 120**2 + 6.5025)
    assert ssim(np.full((12, 13), 100.0), np.full((12, 13), 120.0)) == pytest.approx(expected)


@pytest.mark.parametrize("size", [(11, 11), (20, 33)])
def test_ssim_is_that_of_its_authors(size):
    truth = noise(*size)
    picture = ndimage.gaussian_filter(truth, 0.7) + noise(*size, seed=1) / 10
    assert ssim(picture, truth) == pytest.approx(wang_ssim(picture, truth), abs=1e-7)


def test_ssim_of_equal_pictures_is_one_and_symmetric():
    truth, other = noise(16, 16), noise(16, 16, seed=1)
    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(truth, other) == pytest.approx(ssim(other, truth))
    assert ssim(truth, other) < 0.2


def test_shaving_cuts_each_border():
    plane = np.arange(42.0).reshape(6, 7)
    np.testing.assert_array_equal(shave(plane, 2), [[16, 17, 18], [23, 24, 25]])
    assert shave(plane, 0) is not None
    with pytest.raises(PictureError, match="7×6 pixels loses all of them when 3 are cut"):
        shave(plane, 3)


def test_sizes_must_agree_and_suffice():
    with pytest.raises(PictureError, match="shape 4×5 and the truth's 5×4"):
        psnr(np.zeros((4, 5)), np.zeros((5, 4)))
    with pytest.raises(PictureError, match="12×10 pixels is too small for SSIM's window of 11×11"):
        ssim(np.zeros((10, 12)), np.zeros((10, 12)))
    with pytest.raises(PictureError, match="expected H×W×3"):
        rgb_to_luminance(np.zeros((4, 5)))


def test_without_scikit_image_ssim_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(MissingExtraError, match=r"'scikit-image'.*'\.\[train\]'"):
        ssim(np.zeros((11, 11)), np.zeros((11, 11)))


def test_a_protocol_says_everything_that_moves_a_number():
    protocol = Protocol(scale=4)
    for said in ("×4", "multiple of 4", "MATLAB-equal bicubic", "BT.601", "8 bits", "4 pixels cut"):
        assert said in str(protocol)
    assert "peak 255" in protocol.psnr
    assert "Wang et al. 2004 (11×11 Gaussian of σ 1.5, K 0.01 and 0.03, no pad" in protocol.ssim
    assert "Gaussian blur (σ 1)" in Protocol(scale=2, degradation="blur-bicubic").low_resolution
    assert "read from files" in Protocol(scale=2, degradation="files").low_resolution
