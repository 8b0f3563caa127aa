import io
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image

from impasto.errors import MissingExtraError
from impasto.images.files.io import Picture, check_target, load_picture, save_picture
from impasto.images.formats import heif


def gradient(**fields):
    rows, columns = np.mgrid[0:48, 0:64]
    rgb = np.stack([rows / 47, columns / 63, np.full(rows.shape, 0.5)], axis=-1)
    return Picture(rgb.astype(np.float32), **fields)


def encoded(picture, format_name, **options):
    stream = io.BytesIO()
    save_picture(picture, stream, format=format_name, **options)
    return stream.getvalue()


@pytest.mark.parametrize("format_name", ["avif", "heic"])
def test_picture_is_written_and_read_back(format_name):
    if format_name == "heic":
        pytest.importorskip("pillow_heif")
    alpha = np.zeros((48, 64), dtype=np.float32)
    alpha[:, 20:] = 1
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera & Sons"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}
    xmp = b'<rdf:Description dc:creator="A. Photographer"/>'
    picture = gradient(alpha=alpha, exif=exif.tobytes(), dpi=(300, 150), xmp=xmp)
    again = load_picture(encoded(picture, format_name, quality=95))
    np.testing.assert_allclose(again.rgb[:, 22:], picture.rgb[:, 22:], atol=6 / 255)
    np.testing.assert_allclose(again.alpha, alpha, atol=4 / 255)
    assert (again.dpi, again.xmp) == ((300, 150), xmp)
    kept = Image.Exif()
    kept.load(again.exif)
    assert kept[ExifTags.Base.Make] == "Camera & Sons"


@pytest.mark.parametrize("format_name", ["avif", "heic", "webp"])
def test_quality_changes_the_size(format_name):
    if format_name == "heic":
        pytest.importorskip("pillow_heif")
    noise = Picture(np.random.default_rng(0).random((64, 64, 3), dtype=np.float32))
    sizes = [len(encoded(noise, format_name, quality=quality)) for quality in (20, 95)]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("format_name", ["heic", "webp"])
def test_lossless_file_is_exact(format_name):
    if format_name == "heic":
        pytest.importorskip("pillow_heif")
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.float32)
    again = load_picture(encoded(Picture(levels / 255), format_name, lossless=True))
    np.testing.assert_array_equal(np.rint(again.rgb * 255), levels)


def test_telephone_s_picture_is_upright_once():
    pytest.importorskip("pillow_heif")
    heif.register_heif()
    image = Image.new("RGB", (64, 32))
    image.paste((255, 255, 255), (0, 0, 32, 32))  # left half white; turned clockwise: upper half
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    image.save(buffer, "HEIF", exif=exif.tobytes())
    picture = load_picture(buffer.getvalue())
    assert (picture.width, picture.height) == (32, 64)
    assert picture.rgb[:28].min() > 0.9
    assert picture.rgb[36:].max() < 0.1


@pytest.fixture
def without_plugin(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # the documented way to refuse an import
    heif.register_heif.cache_clear()
    yield
    heif.register_heif.cache_clear()


def test_missing_plugin_is_named_before_any_work(without_plugin, tmp_path):
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
    for fails in (
        lambda: load_picture(head),
        lambda: check_target(tmp_path / "out.heic"),
        lambda: save_picture(gradient(), tmp_path / "out.HEIC"),
    ):
        with pytest.raises(MissingExtraError, match=r"'pillow_heif'.*extra 'heif'"):
            fails()


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", True),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf", False),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", False),
        (b"\x89PNG\r\n\x1a\n", False),
        (b"", False),
    ],
)
def test_heif_is_told_by_its_first_bytes(head, told):
    assert heif.is_heif(head) == told
