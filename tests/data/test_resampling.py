import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto.data.crops import CropPlan, CropSettings, Window, cut_bytes, plan_crop
from impasto.data.resampling import WEIGHT_BITS, is_order_certain, window_weights


def scaled_along(pixels, indices, weights):
    """Scale the first axis of H×W×3 bytes."""
    sums = (pixels[indices].astype(np.int64) * weights[..., None, None]).sum(1)
    return np.clip((sums + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS, 0, 255).astype(np.uint8)


def crop_by_weights(pixels, window, crop_size):
    height, width, _ = pixels.shape
    columns, column_weights, rows, row_weights = window_weights(
        (width, height), window, crop_size=crop_size
    )
    narrow = scaled_along(pixels.transpose(1, 0, 2), columns, column_weights).transpose(1, 0, 2)
    return scaled_along(narrow, rows, row_weights).transpose(2, 0, 1)


@given(
    width=st.integers(16, 200),
    height=st.integers(16, 200),
    crop_size=st.integers(8, 16),
    ratio=st.floats(1, 2),
    seed=st.integers(0, 2**32),
    is_hard=st.booleans(),
)
def test_weights_give_pillow_s_crops_bit_for_bit(width, height, crop_size, ratio, seed, is_hard):
    if not is_order_certain(width, height, crop_size=crop_size):
        width, height = height, width
    rng = np.random.default_rng(seed)
    # Black and white alone overshoot most.
    levels = [0, 255] if is_hard else np.arange(256)
    pixels = rng.choice(levels, (height, width, 3)).astype(np.uint8)
    settings = CropSettings(crop_size, round(crop_size * ratio), flip=False, rotate=False)
    plan = plan_crop((width, height), rng, settings)
    expected = cut_bytes(Image.fromarray(pixels), plan, crop_size=crop_size)
    assert np.array_equal(crop_by_weights(pixels, plan.window, crop_size), expected)


def test_halving_weighs_the_four_nearest_pixels_most():
    # Catmull-Rom at 1/4, 3/4, 5/4 and 7/4: 111, 29, -9 and -3 of 128, and twice as many pixels.
    _, weights, _, _ = window_weights((64, 64), Window(0, 0, 64), crop_size=32)
    expected = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256 * 2**WEIGHT_BITS
    middle = weights[16][weights[16] != 0]
    assert middle.tolist() == expected.tolist()


def test_a_device_reads_no_rows_but_those_around_the_window():
    _, _, rows, row_weights = window_weights((100, 100), Window(0, 40, 20), crop_size=10)
    # The cubic reaches 2 output pixels, 4 input ones, beyond the outermost centres at 41 and 59.
    assert (rows.min(), rows.max()) == (37, 62)
    assert row_weights.sum(1).tolist() == [2**WEIGHT_BITS] * 10


def test_order_is_certain_for_all_but_narrow_photographs():
    assert is_order_certain(640, 480, crop_size=160)
    assert is_order_certain(320, 480, crop_size=160)
    assert not is_order_certain(319, 480, crop_size=160)


def test_an_unscaled_crop_is_the_window_itself():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    plan = CropPlan(Window(3, 5, 16), is_mirrored=True, quarter_turns=0)
    expected = pixels[5:21, 3:19][:, ::-1].transpose(2, 0, 1)
    assert np.array_equal(cut_bytes(Image.fromarray(pixels), plan, crop_size=16), expected)
