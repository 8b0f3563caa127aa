import subprocess
import sys
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import impasto
from impasto.errors import (
    ModelFileError,
    PictureError,
    PictureFileError,
    SettingError,
    UnknownModelError,
)
from impasto.images.colour import rgb_to_ycbcr
from impasto.images.files.io import Picture
from impasto.runtime.input_pictures import FAINT_ALPHA, fill_transparent
from impasto.runtime.stylizer import StyleKeywords, StyleSettings, Stylizer
from impasto.runtime.transformation import Stylization
from model_fixtures import BLUR, make_card, make_model_bytes

pytestmark = pytest.mark.usefixtures("without_grain")

SETTINGS = st.fixed_dictionaries(
    {
        "size": st.none() | st.integers(16, 60),
        "strength": st.floats(0, 1),
        "keep_colors": st.booleans(),
    }
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def stylizer_from(folder, **model_settings):
    path = folder / "model.onnx"
    path.write_bytes(make_model_bytes(**model_settings))
    return Stylizer(path, precision="f32")


@pytest.fixture(scope="module")
def negative(tmp_path_factory):
    return stylizer_from(tmp_path_factory.mktemp("negative"))


@pytest.fixture(scope="module")
def blur(tmp_path_factory):
    return stylizer_from(tmp_path_factory.mktemp("blur"), kernel=BLUR, bias=0.0)


def test_bytes_give_bytes(negative):
    photo = np.zeros((16, 20, 3), np.uint8)
    photo[..., 1] = 200  # black with green becomes white with the negative green, 55
    result = negative(photo)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.broadcast_to(np.uint8([255, 55, 255]), photo.shape))


def test_sixteen_bits_give_sixteen_bits(negative):
    photo = np.random.default_rng(0).integers(0, 65_536, (16, 20, 3), dtype=np.uint16)
    result = negative(photo)
    assert result.dtype == np.uint16
    np.testing.assert_allclose(result, 65_535 - photo.astype(int), atol=1)


def test_sixteen_bits_are_computed_in_f32_unless_asked_otherwise(tmp_path):
    (tmp_path / "model.onnx").write_bytes(make_model_bytes())
    stylizer = Stylizer(tmp_path / "model.onnx")
    deep, flat = (Picture(noise(16, 20, 3), bits=bits) for bits in (16, 8))
    assert stylizer.precision_for(deep) == "f32"
    assert stylizer.precision_for(flat) == stylizer.precision
    np.testing.assert_allclose(stylizer.stylize(deep).rgb, 1 - deep.rgb, atol=1e-5)
    if stylizer.precision == "bf16":
        asked = Stylizer(tmp_path / "model.onnx", precision="bf16")
        assert asked.precision_for(deep) == "bf16"


def test_floats_give_floats(negative):
    photo = noise(16, 20, 3)
    result = negative(photo.astype(np.float64))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, 1 - photo, atol=1e-6)


def test_a_pil_picture_gives_a_pil_picture_with_its_alpha(negative):
    photo = Image.new("RGBA", (20, 16), (200, 0, 0, 255))
    photo.putpixel((3, 4), (200, 0, 0, 90))
    result = negative(photo)
    assert (result.mode, result.size) == ("RGBA", (20, 16))
    assert result.getpixel((0, 0)) == (55, 255, 255, 255)
    assert result.getpixel((3, 4)) == (55, 255, 255, 90)


def test_a_path_gives_a_pil_picture(negative, tmp_path):
    Image.new("L", (20, 16), 200).save(tmp_path / "grey.png")
    for path in (tmp_path / "grey.png", str(tmp_path / "grey.png")):
        result = negative(path)
        assert (result.mode, result.size) == ("RGB", (20, 16))
        assert result.getpixel((0, 0)) == (55, 55, 55)


def test_strength_blends_with_the_photograph(negative):
    photo = noise(16, 20, 3)
    # a quarter of the negative: 0.75 x + 0.25 (1 - x)
    np.testing.assert_allclose(negative(photo, strength=0.25), 0.25 + photo / 2, atol=1e-6)


def test_strength_0_is_the_photograph_and_no_alias_of_it(negative):
    photo = noise(16, 20, 3)
    result = negative(photo, strength=0)
    np.testing.assert_array_equal(result, photo)
    assert not np.shares_memory(result, photo)


def test_keep_colors_keeps_chroma_and_takes_luma(negative):
    photo = 0.5 + 0.1 * (noise(16, 20, 3) - 0.5)  # greyish, so that nothing is clipped
    before, after = rgb_to_ycbcr(photo), rgb_to_ycbcr(negative(photo, keep_colors=True))
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-5)
    np.testing.assert_allclose(after[..., 0], 1 - before[..., 0], atol=1e-5)


@pytest.mark.parametrize(
    ("size", "expected"), [(40, (40, 20)), (200, (200, 100)), (100, (100, 50))]
)
def test_size_sets_the_longer_side_up_or_down(negative, size, expected):
    photo = Image.new("RGBA", (100, 50), (0, 0, 0, 128))
    result = negative(photo, size=size)
    assert result.size == expected
    assert result.getpixel((5, 5)) == (255, 255, 255, 128)


@settings(max_examples=40)
@given(SETTINGS, st.integers(1, 24), st.integers(1, 24), st.booleans())
def test_every_setting_gives_a_picture(negative, options, height, width, has_alpha):
    alpha = noise(height, width, seed=1).round() if has_alpha else None
    result = negative.stylize(Picture(noise(height, width, 3), alpha), **options)
    longer = max(height, width) if options["size"] is None else options["size"]
    assert max(result.width, result.height) == longer
    assert 0 <= result.rgb.min() <= result.rgb.max() <= 1
    assert (result.alpha is not None) == has_alpha


def test_metadata_is_kept(negative):
    picture = Picture(noise(16, 16, 3), exif=b"Exif\0\0", dpi=(300.0, 300.0))
    result = negative.stylize(picture)
    assert (result.exif, result.dpi) == (picture.exif, picture.dpi)


def test_hidden_colours_do_not_reach_visible_pixels(blur):
    alpha = np.zeros((24, 24), np.float32)
    alpha[:, :12] = 1
    rgb, other = noise(24, 24, 3), noise(24, 24, 3)
    other[:, 12:] = (1, 0, 1)
    first, second = (blur.stylize(Picture(colours, alpha)) for colours in (rgb, other))
    np.testing.assert_allclose(first.rgb[:, :12], second.rgb[:, :12], atol=1e-6)
    np.testing.assert_array_equal(first.alpha, alpha)


def test_transparent_pixels_get_the_mean_visible_colour():
    rgb = np.zeros((4, 4, 3), np.float32)
    rgb[:2] = (1.0, 0.5, 0.0)  # eight visible pixels orange, of which …
    rgb[0, :4] = (0.0, 0.5, 1.0)  # … four are blue: the mean is half of each
    alpha = np.zeros((4, 4), np.float32)
    alpha[:2] = 1
    filled = fill_transparent(Picture(rgb, alpha))
    np.testing.assert_array_equal(filled[:2], rgb[:2])
    np.testing.assert_allclose(filled[2:], 0.5 * np.ones((2, 4, 3)), atol=1e-7)


def test_filling_moves_no_mean_and_leaves_half_transparent_colours():
    rgb = noise(9, 9, 3)
    alpha = np.where(noise(9, 9, seed=2) < 0.5, 0.0, 0.5).astype(np.float32)
    filled = fill_transparent(Picture(rgb, alpha))
    np.testing.assert_array_equal(filled[alpha > FAINT_ALPHA], rgb[alpha > FAINT_ALPHA])
    visible_mean = rgb[alpha > 0].mean(axis=0)
    np.testing.assert_allclose(filled.mean(axis=(0, 1)), visible_mean, atol=1e-6)


def test_a_wholly_transparent_picture_is_grey_to_the_network():
    picture = Picture(noise(3, 3, 3), np.zeros((3, 3), np.float32))
    assert np.unique(fill_transparent(picture)).tolist() == [0.5]


def test_a_picture_without_alpha_is_left_alone():
    picture = Picture(noise(3, 3, 3))
    assert fill_transparent(picture) is picture.rgb


def test_a_style_is_found_by_name(user_models, tiny_model_path):
    from impasto.zoo.registry import add_model

    add_model(tiny_model_path, name="mine")
    stylizer = impasto.Stylizer("mine", precision="f32")
    assert (stylizer.card.title, stylizer.precision) == ("A tiny style", "f32")


def test_every_setting_can_be_given_as_a_keyword_too():
    assert get_type_hints(StyleKeywords) == get_type_hints(StyleSettings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 15}, "size is 15, expected the longer side in whole pixels, 16 to 16384"),
        ({"size": 16385}, "size is 16385, expected"),
        ({"size": 64.0}, r"size is 64\.0, expected"),
        ({"size": True}, "size is True, expected"),
        ({"strength": 1.01}, r"strength is 1\.01, expected a number from 0 to 1"),
        ({"strength": -0.5}, r"strength is -0\.5, expected"),
        ({"strength": float("nan")}, "strength is nan, expected"),
    ],
)
def test_a_setting_out_of_range_is_refused(negative, options, message):
    with pytest.raises(SettingError, match=message):
        negative(noise(16, 16, 3), **options)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (noise(16, 16), r"shape \(16, 16\), expected H×W×3"),
        (noise(16, 16, 4), "give pictures with alpha or in grey as PIL pictures"),
        (np.zeros((16, 16, 3), np.int32), "an array of int32, expected uint8, uint16 or floats"),
        (noise(16, 16, 3) * 255, "divide 8-bit values by 255"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_that_is_no_photograph_is_refused(negative, photo, message):
    with pytest.raises(PictureError, match=message):
        negative(photo)


def test_a_missing_photograph_is_refused(negative, tmp_path):
    with pytest.raises(PictureFileError, match="ghost"):
        negative(tmp_path / "ghost.jpg")


def test_many_pictures_become_what_each_becomes(tmp_path, negative):
    (tmp_path / "model.onnx").write_bytes(make_model_bytes())
    stylizer = Stylizer(tmp_path / "model.onnx", precision="f32", batch_size=2)
    alpha = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    pictures = [
        Picture(noise(20, 20, 3)),
        Picture(noise(20, 20, 3, seed=1), alpha=alpha),
        Picture(noise(20, 30, 3, seed=2)),
        Picture(noise(20, 20, 3, seed=3), bits=16),
    ]
    options = {"size": 24, "strength": 0.5, "keep_colors": True}
    painted = stylizer.stylize_all(pictures, **options)
    for picture, found in zip(pictures, painted, strict=True):
        expected = negative.stylize(picture, **options)
        np.testing.assert_allclose(found.rgb, expected.rgb, atol=1e-6)
        assert (found.alpha is None, found.bits) == (picture.alpha is None, picture.bits)


def test_pictures_that_become_one_size_go_together(negative):
    batching = Stylization(negative, StyleSettings(size=32)).batching()
    square, large, wide = (
        batching.load(Picture(noise(*size, 3))) for size in ((20, 20), (40, 40), (20, 40))
    )
    assert square.kind == large.kind != wide.kind
    assert (square.share, wide.share) == (large.share, large.share / 2)  # 32 × 32, 32 × 16


def test_an_unknown_style_is_refused(user_models):
    with pytest.raises(UnknownModelError, match="there is no model 'van_dogh'"):
        Stylizer("van_dogh")


def test_an_upscaler_is_no_style(tmp_path):
    card = make_card(task="super-resolution", scale=2)
    with pytest.raises(ModelFileError, match="for super-resolution, expected one for style-trans"):
        stylizer_from(tmp_path, card=card, scale=2)


def test_the_class_is_imported_without_any_heavy_package():
    program = (
        "import sys, impasto; light = set(sys.modules); impasto.Stylizer;"
        "heavy = {'openvino', 'torch', 'onnx', 'onnxruntime', 'lightning'};"
        "print(*heavy & set(sys.modules), *{'numpy', 'PIL', 'pydantic'} & light)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_stylizing_reaches_no_training_package(tmp_path):
    (tmp_path / "model.onnx").write_bytes(make_model_bytes())
    program = """
import sys, impasto
from PIL import Image
impasto.Stylizer("model.onnx")(Image.new("RGB", (16, 16)))
print(*{"torch", "onnx", "onnxruntime", "lightning"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
def test_a_file_far_larger_than_the_size_wanted_is_read_small(negative, tmp_path, suffix):
    # 5 million pixels, above the limit of what is decoded as it is.
    rows, columns = np.mgrid[0:2000, 0:2500].astype(np.float32)
    values = np.stack([rows / 8, columns / 10, 100 + 50 * np.sin(rows / 90)], axis=-1)
    image = Image.fromarray(values.astype(np.uint8))
    image.save(tmp_path / f"photo.{suffix}")
    found = np.asarray(negative(tmp_path / f"photo.{suffix}", size=100)).astype(int)
    expected = np.asarray(negative(values.astype(np.uint8), size=100)).astype(int)
    assert found.shape == (80, 100, 3)
    assert np.abs(found - expected).max() <= 3


def test_a_bad_size_is_refused_before_the_file_is_read(negative, tmp_path):
    with pytest.raises(SettingError, match="size is 'large'"):
        negative(tmp_path / "none.png", size="large")
