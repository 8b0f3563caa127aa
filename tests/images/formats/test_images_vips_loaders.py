"""libvips opens the formats that are documented, by their content, and no others."""

import numpy as np
import pytest
import pyvips
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.formats.vips_loaders import LOADERS, open_with_libvips
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect/></svg>'
LEVELS = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)


@pytest.fixture
def disguised(tmp_path):
    """Writes a file of a kind that is not read, under the name of one that is."""

    def write(kind, name):
        path = tmp_path / name
        if kind == "svg":
            path.write_bytes(SVG)
        elif kind == "v":
            pyvips.Image.new_from_array(LEVELS).write_to_file(str(tmp_path / "picture.v"))
            path.write_bytes((tmp_path / "picture.v").read_bytes())
        elif kind == "pdf":
            path.write_bytes(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")
        elif kind == "ppm":
            path.write_bytes(b"P6 40 30 255\n" + LEVELS.tobytes())
        elif kind == "csv":
            path.write_text("1,2\n3,4\n")
        elif kind == "matrix":
            path.write_text("2 2\n1 2\n3 4\n")
        return path

    return write


@pytest.mark.parametrize("name", ["p.png", "p.tif", "p.jpg", "p.svg", "p.v", "p.csv", "p.pdf"])
@pytest.mark.parametrize("kind", ["svg", "v", "pdf", "ppm", "csv", "matrix"])
def test_another_kind_of_file_is_refused_under_any_name(disguised, kind, name, tmp_path):
    path = disguised(kind, name)
    with pytest.raises(ValueError, match="expected JPEG, PNG, TIFF or WebP"):
        open_with_libvips(path)
    with pytest.raises(ValueError, match="expected JPEG, PNG, TIFF or WebP"):
        open_with_libvips(path.read_bytes())
    assert bits_by_windows(path) is None
    (tmp_path / "folder").mkdir()
    refusal = (
        rf"{name} (cannot be read by windows|is not a picture that can be read).*expected JPEG"
    )
    with pytest.raises(PictureFileError, match=refusal):
        open_windows(path, tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("kind", ["svg", "v"])
def test_the_size_of_another_kind_of_file_is_not_known(disguised, kind):
    assert size_of_file(disguised(kind, "p.png")) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_what_is_documented_is_opened_under_any_name(tmp_path, kind):
    path = tmp_path / "p.svg[page=7]"  # no options of a loader, but a name
    Image.fromarray(LEVELS).save(path, kind)
    for source in (path, path.read_bytes()):
        image = open_with_libvips(source)
        assert (image.width, image.height) == (40, 30)
        assert image.get("vips-loader").removesuffix("_buffer") in LOADERS


def test_a_large_tiff_with_long_offsets_is_opened(tmp_path):
    pyvips.Image.new_from_array(LEVELS).tiffsave(str(tmp_path / "p.tif"), bigtiff=True)
    assert open_with_libvips(tmp_path / "p.tif").width == 40


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no regular file"):
        open_with_libvips(tmp_path)
