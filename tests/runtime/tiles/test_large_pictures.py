"""Files transformed by windows become what whole pictures become."""

import numpy as np
import pytest
from PIL import Image

from impasto import Stylizer, Upscaler
from impasto.errors import OutputAppearedError, OutputExistsError, SettingError
from impasto.images.files.io import load_picture
from impasto.runtime.stylizer import StyleSettings
from impasto.runtime.tiles.large_pictures import LargeResult
from impasto.runtime.transformation import Enlargement, Stylization
from model_fixtures import BLUR, make_card, make_model_bytes

pytestmark = pytest.mark.usefixtures("without_grain")


@pytest.fixture
def style(tmp_path):
    path = tmp_path / "blurred.onnx"
    path.write_bytes(make_model_bytes(kernel=BLUR, bias=0.0))
    return path


def photograph(path, height=140, width=151, mode="RGB"):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    values[:40, :40, 3] = 0
    Image.fromarray(values).convert(mode).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_file_by_windows_is_the_file_of_the_whole_picture(style, tmp_path, suffix, mode):
    photo = photograph(tmp_path / "photo.png", mode=mode)
    target = tmp_path / f"out{suffix}"
    stylizer = Stylizer(style, precision="f32", tile=136)
    settings = {"strength": 0.75, "keep_colors": True}
    stylization = Stylization(stylizer, StyleSettings(**settings))
    large = stylization.find_large(photo, target)
    assert stylization.transform_large(large) == LargeResult(151, 140, "f32")
    whole = Stylizer(style, precision="f32", tile="off").stylize(load_picture(photo), **settings)
    expected = whole.rgb * 255
    if suffix == ".jpg" and mode == "RGBA":
        expected = expected * whole.alpha[..., None] + 255 * (1 - whole.alpha[..., None])
    found = pixels(target)
    error = np.abs(found[..., :3] - expected)
    assert error.mean() < (8 if suffix == ".jpg" else 0.3)
    if suffix != ".jpg":
        assert error.max() <= 0.51
        if mode == "RGBA":
            np.testing.assert_array_equal(found[..., 3], pixels(photo)[..., 3])
    left_behind = {"blurred.onnx", "photo.png", target.name}
    assert {path.name for path in tmp_path.iterdir()} == left_behind


def test_enlarging_by_windows_is_enlarging(tmp_path):
    card = make_card(task="super-resolution", scale=2)
    model = tmp_path / "double.onnx"
    model.write_bytes(make_model_bytes(card=card, kernel=BLUR, bias=0.0, scale=2))
    photo = photograph(tmp_path / "photo.png", mode="RGBA")
    enlargement = Enlargement(Upscaler(model, precision="f32", tile=128))
    large = enlargement.find_large(photo, tmp_path / "out.tif")
    told = []
    done = enlargement.transform_large(large, progress=lambda *n: told.append(n))
    assert (done.width, done.height) == (302, 280)
    assert told[-1] == (len(told), len(told))
    whole = Upscaler(model, precision="f32", tile="off").upscale(load_picture(photo))
    expected = np.dstack([whole.rgb, whole.alpha]) * 255
    assert np.abs(pixels(tmp_path / "out.tif") - expected).max() <= 0.51


def test_resizing_comes_first(style, tmp_path):
    photo = photograph(tmp_path / "photo.png")
    stylization = Stylization(Stylizer(style, tile=136), StyleSettings(size=302))
    large = stylization.find_large(photo, tmp_path / "out.png")
    assert (large.width, large.height) == (302, 280)
    done = stylization.transform_large(large)
    assert (done.width, done.height) == (302, 280)


def test_only_what_does_not_fit_goes_by_windows(style, tmp_path):
    photo = photograph(tmp_path / "photo.png")
    target = tmp_path / "out.png"
    assert Stylization(Stylizer(style)).find_large(photo, target) is None
    uncut = Stylization(Stylizer(style, tile="off", memory="400M"))
    assert uncut.find_large(photo, target) is None
    small = Stylization(Stylizer(style, memory="400M"))
    assert small.find_large(photo, target) is None
    large = Stylization(small.stylizer, StyleSettings(size=4000))
    assert large.find_large(photo, target) is not None
    unstyled = Stylization(small.stylizer, StyleSettings(size=4000, strength=0))
    assert unstyled.find_large(photo, target) is None
    assert large.find_large(photo, tmp_path / "out.webp") is None
    assert large.find_large(tmp_path / "missing.png", target) is None


def test_arrays_that_do_not_fit_are_cut_too(style):
    rgb = np.random.default_rng(0).random((140, 151, 3), dtype=np.float32)
    whole, tiled = (Stylizer(style, precision="f32", tile=t)(rgb) for t in ("off", 136))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_a_file_that_exists_stays(style, tmp_path):
    photo = photograph(tmp_path / "photo.png")
    target = photograph(tmp_path / "out.png")
    before = target.read_bytes()
    stylization = Stylization(Stylizer(style, tile=136))
    large = stylization.find_large(photo, target)
    with pytest.raises(OutputExistsError):
        stylization.transform_large(large)
    assert target.read_bytes() == before
    stylization.transform_large(large, overwrite=True)
    assert target.read_bytes() != before


def test_settings_are_checked_when_the_model_is_opened(style):
    for settings in ({"tile": "often"}, {"memory": "little"}):
        with pytest.raises(SettingError):
            Stylizer(style, **settings)


def test_a_file_that_appears_while_tiles_are_made_is_kept(style, tmp_path):
    photo, target = photograph(tmp_path / "photo.png"), tmp_path / "out.png"
    stylization = Stylization(Stylizer(style, precision="f32", tile=136))
    large = stylization.find_large(photo, target)
    with pytest.raises(OutputAppearedError, match=r"out\.png appeared .* is in .*out\.new\.png"):
        stylization.transform_large(large, progress=lambda *_: target.write_bytes(b"somebody's"))
    assert target.read_bytes() == b"somebody's"
    assert pixels(tmp_path / "out.new.png").shape == (140, 151, 3)
    left_behind = {"blurred.onnx", "photo.png", "out.png", "out.new.png"}
    assert {path.name for path in tmp_path.iterdir()} == left_behind
    stylization.transform_large(
        large, overwrite=True, progress=lambda *_: target.write_bytes(b"somebody's")
    )
    assert pixels(target).shape == (140, 151, 3)
