"""Pictures that are read smaller, because they are to be resized."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from impasto.errors import PictureFileError
from impasto.images.files.io import load_picture, load_picture_or_animation
from impasto.images.files.small_reading import read_small
from impasto.images.picture import LARGE_PIXELS, resize_longer_side
from impasto.images.resize import reduction
from impasto.images.windows.reading import open_windows
from impasto.runtime.input_pictures import as_picture


@pytest.fixture(scope="module")
def scene():
    """2400×1800, above the limit of what is decoded as it is: waves and a sharp edge."""
    rows, columns = np.mgrid[0:1800, 0:2400].astype(np.float32)
    waves = 127 + 100 * np.sin(rows / 61) * np.cos(columns / 83)
    pixels = np.stack([waves, columns / 10, np.where(columns > 1200, 200, 40)], axis=-1)
    assert rows.size > LARGE_PIXELS
    return Image.fromarray(pixels.astype(np.uint8))


def file_of(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "longer", "expected"),
    [((4000, 3000), 1024, 1), ((4000, 3000), 1000, 2), ((100, 4096), 512, 4), ((1, 1), 16, 1)],
)
def test_reduced_pictures_stay_twice_as_large_as_wanted(size, longer, expected):
    assert reduction(*size, longer) == expected


@pytest.mark.parametrize(
    ("longer_side", "expected"), [(150, (300, 225)), (299, (600, 450)), (601, (2400, 1800))]
)
def test_a_jpeg_comes_smaller_out_of_its_decoder(scene, longer_side, expected):
    data = file_of(scene, "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as image:
        small = read_small(image, io.BytesIO(data), "a.jpg", longer_side=longer_side)
        assert small is None
        assert image.size == expected


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        *(("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("BMP", {}), ("PPM", {})),
        ("WEBP", {"lossless": True}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("longer_side", [200, 333, 601, 3000])
def test_pictures_have_the_size_they_are_read_for(scene, format_name, options, mode, longer_side):
    if (format_name, mode) == ("WEBP", "L"):
        pytest.skip("WebP has no greys")
    picture = load_picture(
        file_of(scene.convert(mode), format_name, **options), longer_side=longer_side
    )
    assert (picture.width, picture.height) == (longer_side, round(longer_side * 3 / 4))


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "BMP"])
def test_a_picture_made_smaller_in_between_has_the_same_sides(format_name, orientation, tmp_path):
    # A quarter of 3333 rows is 834, of which a rounding makes 342 rows instead of 341.
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (5000, 3333), (200, 30, 90))
    path = tmp_path / "picture"
    image.save(path, format_name, **({} if format_name == "BMP" else {"exif": exif.tobytes()}))
    expected = (512, 341) if orientation == 1 or format_name == "BMP" else (341, 512)
    sizes = [load_picture(path, longer_side=512)]
    with Image.open(path) as opened:
        sizes.append(as_picture(opened, longer_side=512))
    if format_name != "BMP":
        sizes.append(open_windows(path, tmp_path, size=512))
    assert [(size.width, size.height) for size in sizes] == [expected] * len(sizes)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_nobody_sees_that_a_picture_was_read_smaller(scene, format_name):
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(format_name, {})
    data = file_of(scene, format_name, **options)
    expected = resize_longer_side(load_picture(data), 200).rgb
    found = resize_longer_side(load_picture(data, longer_side=200), 200).rgb
    assert np.abs(found - expected).max() < 5 / 255
    assert np.abs(found - expected).mean() < 0.5 / 255


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_metadata_alpha_and_orientation_are_kept(scene, format_name, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Camera"
    seen = scene.copy()
    seen.putalpha(scene.getchannel("R"))
    data = file_of(seen, format_name, exif=exif.tobytes(), dpi=(300, 300))
    expected = resize_longer_side(load_picture(data), 200)
    picture = load_picture(data, longer_side=200)
    assert picture.exif == expected.exif
    assert picture.dpi == expected.dpi
    assert picture.metadata == expected.metadata
    assert np.abs(picture.rgb - expected.rgb).max() < 3 / 255
    assert np.abs(picture.alpha - expected.alpha).max() < 3 / 255


def test_texts_before_and_behind_the_pixels_are_kept(scene):
    told = PngImagePlugin.PngInfo()
    told.add_text("before", "a")
    told.add(b"tEXt", b"behind\0b", after_idat=True)
    picture = load_picture(file_of(scene, "PNG", pnginfo=told), longer_side=200)
    assert dict(picture.texts) == {"before": "a", "behind": "b"}


def test_path_and_bytes_are_read_the_same(scene, tmp_path):
    scene.save(tmp_path / "scene.png")
    by_path = load_picture(tmp_path / "scene.png", longer_side=200)
    by_bytes = load_picture((tmp_path / "scene.png").read_bytes(), longer_side=200)
    np.testing.assert_array_equal(by_path.rgb, by_bytes.rgb)
    assert load_picture_or_animation(tmp_path / "scene.png", longer_side=200).width == 200


def test_a_damaged_large_picture_is_named(scene, tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(file_of(scene, "PNG")[:-5000])
    with pytest.raises(PictureFileError, match=r"cut\.png"):
        load_picture(path, longer_side=200)
    with pytest.raises(PictureFileError, match="the picture data"):
        load_picture(path.read_bytes(), longer_side=200)


@pytest.mark.parametrize("size", [100, 200])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_windows_of_a_jpeg_are_those_of_its_smaller_self(scene, tmp_path, mode, size):
    scene.convert(mode).save(tmp_path / "scene.jpg", quality=95)
    windows = open_windows(tmp_path / "scene.jpg", tmp_path, size=size)
    found = windows.channels(slice(0, windows.height), slice(0, windows.width))
    assert found.shape == (size * 3 // 4, size, 3)
    whole = load_picture(tmp_path / "scene.jpg", longer_side=size).rgb
    assert np.abs(found - whole).max() < 3 / 255
    expected = resize_longer_side(load_picture(tmp_path / "scene.jpg"), size).rgb
    assert np.abs(found - expected).max() < 5 / 255


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_stated_colours_are_kept_when_a_picture_is_read_smaller(
    scene, format_name, linear_rgb_profile, tmp_path
):
    scene.save(tmp_path / "scene", format_name, icc_profile=linear_rgb_profile)
    expected = resize_longer_side(load_picture(tmp_path / "scene"), 200).rgb
    picture = load_picture(tmp_path / "scene", longer_side=200)
    assert np.abs(picture.rgb - expected).max() < 5 / 255
    assert np.abs(picture.rgb - expected).mean() < 0.5 / 255


MEASURE = """
import resource, sys
from impasto.images.files.io import load_picture
load_picture(sys.argv[2], longer_side=16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert load_picture(sys.argv[1], longer_side=200).width <= 1000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("format_name", "megabytes"), [("JPEG", 100), ("PNG", 100), ("TIFF", 100), ("BMP", 200)]
)
def test_a_large_picture_takes_little_memory(scene, tmp_path, format_name, megabytes):
    # 48 million pixels: floats of them all would take 576 MB, the pixels of the file 144.
    options = {"TIFF": {"compression": "tiff_lzw"}, "PNG": {"compress_level": 1}}
    large = scene.resize((8000, 6000), Image.Resampling.NEAREST)
    large.save(tmp_path / "large", format_name, **options.get(format_name, {}))
    scene.save(tmp_path / "first", format_name)
    words = [sys.executable, "-c", MEASURE, tmp_path / "large", tmp_path / "first"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < megabytes
