"""Pictures read and written by windows are the same as whole ones."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.io import load_picture
from impasto.images.formats.encoding import FILE_FORMATS
from impasto.images.windows.reading import (
    Metadata,
    bits_by_windows,
    open_windows,
    size_of_file,
)
from impasto.images.windows.writing import WindowWriter

NOTHING = Metadata(exif=None, dpi=None, xmp=None)
FORMATS = {known.name: known for known in FILE_FORMATS}


def colours(height=23, width=31, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def whole(windows):
    return windows.channels(slice(0, windows.height), slice(0, windows.width))


def opened(path, tmp_path, **settings):
    folder = tmp_path / "work"
    folder.mkdir()
    return open_windows(path, folder, **settings)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(colours()).save(path, exif=exif)
    picture, windows = load_picture(path), opened(path, tmp_path)
    assert size_of_file(path) == (picture.width, picture.height)
    np.testing.assert_array_equal(whole(windows), picture.rgb)
    part = windows.channels(slice(3, 9), slice(5, 7))
    np.testing.assert_array_equal(part, picture.rgb[3:9, 5:7])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_pixel_modes_become_rgb(tmp_path, mode):
    path = tmp_path / "picture.png"
    Image.fromarray(colours(channels=4)).convert(mode).save(path)
    picture, windows = load_picture(path), opened(path, tmp_path)
    np.testing.assert_array_equal(whole(windows)[..., :3], picture.rgb)
    assert windows.has_alpha == (picture.alpha is not None)
    if windows.has_alpha:
        np.testing.assert_array_equal(whole(windows)[..., 3], picture.alpha)


def test_other_profiles_are_converted_as_for_whole_pictures(tmp_path, linear_rgb_profile):
    # A profile of linear light: its middle grey is much lighter in sRGB.
    path = tmp_path / "linear.tif"
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    Image.fromarray(ramp).save(path, icc_profile=linear_rgb_profile)
    expected = load_picture(path).rgb
    assert expected[0, 128, 0] > 0.7
    np.testing.assert_allclose(whole(opened(path, tmp_path)), expected, atol=2.5 / 255)


def test_a_picture_is_resized_while_it_is_decoded(tmp_path):
    path = tmp_path / "large.png"
    smooth = np.linspace(0, 255, 200).astype(np.uint8)
    Image.fromarray(np.tile(smooth[None, :, None], (100, 1, 3))).save(path)
    windows = opened(path, tmp_path, size=50)
    assert (windows.width, windows.height) == (50, 25)
    expected = smooth.reshape(50, 4).mean(axis=1) / 255
    np.testing.assert_allclose(whole(windows)[10, 2:-2, 0], expected[2:-2], atol=0.02)


def test_sixteen_bits_stay_sixteen(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    values = np.linspace(0, 1, 20 * 30 * 3, dtype=np.float32).reshape(20, 30, 3)
    writer = WindowWriter(folder, width=30, height=20, bits=16)
    writer.write(slice(0, 20), slice(0, 11), values[:, :11])
    writer.write(slice(0, 20), slice(11, 30), values[:, 11:])
    for name in ("PNG", "TIFF"):
        target = tmp_path / f"deep{FORMATS[name].suffixes[0]}"
        writer.save(target, FORMATS[name], metadata=NOTHING)
        (tmp_path / name).mkdir()
        windows = open_windows(target, tmp_path / name)
        assert windows.bits == 16
        np.testing.assert_allclose(whole(windows), values, atol=0.6 / 65_535)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_metadata_are_kept(tmp_path, name):
    exif = Image.Exif()
    exif[0x013B] = "A Painter"
    metadata = Metadata(exif=exif.tobytes(), dpi=(300.0, 300.0), xmp=b"<x:xmpmeta/>")
    writer = WindowWriter(tmp_path, width=8, height=8, bits=8)
    writer.write(slice(0, 8), slice(0, 8), np.full((8, 8, 3), 0.5, np.float32))
    target = tmp_path / f"kept{FORMATS[name].suffixes[0]}"
    writer.save(target, FORMATS[name], metadata=metadata)
    with Image.open(target) as image:
        image.load()
        assert image.info["icc_profile"]
        assert image.info["dpi"] == pytest.approx((300, 300), rel=0.01)
        assert b"xmpmeta" in image.info["xmp"]
        assert image.getexif()[0x013B] == "A Painter"
        assert np.asarray(image)[4, 4].tolist() == [128, 128, 128]
    assert not list(tmp_path.glob(".impasto*"))


def test_what_cannot_be_read_by_windows(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(colours()).save(tmp_path / "picture.gif")
    for name in ("text.png", "picture.gif", "missing.png"):
        assert bits_by_windows(tmp_path / name) is None
    assert size_of_file(tmp_path / "text.png") is None
    assert size_of_file(tmp_path / "picture.gif") == (31, 23)
    data = colours(200, 200)
    Image.fromarray(data).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    with pytest.raises(PictureFileError, match="get the file again"):
        opened(tmp_path / "cut.jpg", tmp_path)


def test_a_format_too_small_for_the_picture_is_refused(tmp_path):
    writer = WindowWriter(tmp_path, width=66_000, height=1, bits=8)
    with pytest.raises(PictureFileError, match="at most 65,500"):
        writer.save(tmp_path / "wide.jpg", FORMATS["JPEG"], metadata=NOTHING)
    assert not (tmp_path / "wide.jpg").exists()


def test_sideways_tiffs_have_one_size_by_head_and_by_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.tif"
    Image.fromarray(colours()).save(path, exif=exif)
    windows = opened(path, tmp_path)
    assert size_of_file(path) == (windows.width, windows.height) == (23, 31)


def test_animations_are_not_read_by_windows(tmp_path):
    frames = [Image.fromarray(colours()), Image.fromarray(255 - colours())]
    for name in ("moving.png", "moving.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50)
        assert bits_by_windows(tmp_path / name) is None
    frames[0].save(tmp_path / "still.png")
    assert bits_by_windows(tmp_path / "still.png") == 8


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_written_as_deep_as_colours(tmp_path, bits):
    path, target = tmp_path / "given.png", tmp_path / "written.png"
    Image.fromarray(colours(channels=4)).save(path)
    windows = opened(path, tmp_path)
    size = {"width": windows.width, "height": windows.height}
    writer = WindowWriter(tmp_path / "work", **size, bits=bits, num_channels=4)
    writer.write(slice(0, windows.height), slice(0, windows.width), whole(windows))
    writer.save(target, FORMATS["PNG"], metadata=NOTHING)
    written, given = load_picture(target), load_picture(path)
    assert written.bits == bits
    np.testing.assert_allclose(written.alpha, given.alpha, atol=1e-6)
    np.testing.assert_allclose(written.rgb, given.rgb, atol=1e-6)


MEASURED = """
import resource, sys
from pathlib import Path
from impasto.images.formats.encoding import FILE_FORMATS
from impasto.images.windows.reading import Metadata, open_windows
from impasto.images.windows.writing import WindowWriter

folder, side = Path(sys.argv[1]), 6000
(jpeg,) = (known for known in FILE_FORMATS if known.name == "JPEG")
writer = WindowWriter(folder, width=side, height=side, bits=8)
nothing = Metadata(exif=None, dpi=None, xmp=None)
small = WindowWriter(folder / "small", width=64, height=64, bits=8)
small.save(folder / "small.jpg", jpeg, metadata=nothing)  # opens what it takes
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
writer.save(folder / "large.jpg", jpeg, metadata=nothing)
windows = open_windows(folder / "large.jpg", folder)
for top in range(0, side, 500):
    windows.channels(slice(top, top + 500), slice(0, 500))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kibibytes, and what a mapping counts as")
def test_pixels_on_the_disk_do_not_lie_in_memory(tmp_path):
    (tmp_path / "small").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 60 * 1024  # the pixels are 103 MiB, twice
