import io

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from impasto.images.files.io import load_picture, load_training_rgb, picture_from_pil, save_picture

ORIENTATION = ExifTags.Base.Orientation
# 3 wide, 2 high; what each orientation's viewer shows, from the EXIF 2.32 table of row and column.
STORED = [[10, 20, 30], [40, 50, 60]]
SHOWN = {
    1: [[10, 20, 30], [40, 50, 60]],
    2: [[30, 20, 10], [60, 50, 40]],
    3: [[60, 50, 40], [30, 20, 10]],
    4: [[40, 50, 60], [10, 20, 30]],
    5: [[10, 40], [20, 50], [30, 60]],
    6: [[40, 10], [50, 20], [60, 30]],
    7: [[60, 30], [50, 20], [40, 10]],
    8: [[30, 60], [20, 50], [10, 40]],
}


def file_of(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def camera_exif():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[ExifTags.Base.Make] = "Camera & Sons"
    exif[ExifTags.Base.Copyright] = "A. Photographer"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.ExifImageWidth: 4000,
        ExifTags.Base.MakerNote: b"offsets that a new file breaks",
        ExifTags.Base.ColorSpace: 65535,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif


@pytest.mark.parametrize("turn", SHOWN)
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_picture_is_turned_upright(turn, format_name):
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    image = Image.fromarray(np.array(STORED, dtype=np.uint8)).convert("RGB")
    lossless = {"lossless": True} if format_name == "WEBP" else {}
    data = file_of(image, format_name, exif=exif, **lossless)
    np.testing.assert_allclose(load_picture(data).rgb[..., 0] * 255, SHOWN[turn], atol=1e-4)
    np.testing.assert_array_equal(np.asarray(load_training_rgb(data))[..., 0], SHOWN[turn])


def test_jpeg_is_turned_upright():
    image = Image.new("RGB", (32, 16))
    image.paste((255, 255, 255), (0, 0, 16, 16))  # left half white; turned clockwise: upper half
    data = file_of(image, "JPEG", exif=camera_exif())
    picture = load_picture(data)
    assert (picture.width, picture.height) == (16, 32)
    assert picture.rgb[:15].min() > 0.9
    assert picture.rgb[17:].max() < 0.1
    assert load_training_rgb(data).size == (16, 32)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_is_kept_and_upright(suffix, tmp_path):
    picture = load_picture(file_of(Image.new("RGB", (8, 6)), "JPEG", exif=camera_exif()))
    save_picture(picture, tmp_path / f"out.{suffix}")
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.size == (6, 8)
        exif = image.getexif()
        assert exif[ORIENTATION] == 1
        assert exif[ExifTags.Base.Make] == "Camera & Sons"
        assert exif[ExifTags.Base.Copyright] == "A. Photographer"
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        assert camera[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
        assert camera[ExifTags.Base.ColorSpace] == 1
        assert camera[ExifTags.Base.ExifImageWidth] == 6
        assert camera[ExifTags.Base.ExifImageHeight] == 8
        assert ExifTags.Base.MakerNote not in camera
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    if suffix != "tiff":  # which has one order of bytes in all of it, and it is little-endian
        assert load_picture(tmp_path / f"out.{suffix}").exif == picture.exif


def test_layout_of_a_tiff_is_no_exif_worth_keeping():
    assert load_picture(file_of(Image.new("RGB", (8, 6)), "TIFF")).exif is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "bmp"])
def test_resolution_is_kept(suffix, tmp_path):
    picture = load_picture(file_of(Image.new("RGB", (8, 6)), "PNG", dpi=(300, 150)))
    save_picture(picture, tmp_path / f"out.{suffix}")
    assert load_picture(tmp_path / f"out.{suffix}").dpi == pytest.approx((300, 150), abs=0.1)


def test_resolution_turns_with_the_picture():
    data = file_of(Image.new("RGB", (8, 6)), "PNG", dpi=(300, 150), exif=camera_exif())
    assert load_picture(data).dpi == pytest.approx((150, 300), abs=0.1)


@pytest.mark.parametrize("dpi", [(0, 72), (float("nan"), 72), 72, "72", (72,), ("a", "b")])
def test_senseless_resolution_is_left_out(dpi):
    image = Image.new("RGB", (8, 6))
    image.info["dpi"] = dpi
    assert picture_from_pil(image).dpi is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_xmp_is_kept_and_upright(suffix, tmp_path):
    packet = b'<rdf:Description tiff:Orientation="6" dc:creator="A. Photographer"/>'
    data = file_of(Image.new("RGB", (8, 6)), "JPEG", xmp=packet)
    picture = load_picture(data)
    assert (picture.width, picture.height) == (6, 8)
    save_picture(picture, tmp_path / f"out.{suffix}")
    assert load_picture(tmp_path / f"out.{suffix}").xmp == packet.replace(b"6", b"1")
    assert load_picture(tmp_path / f"out.{suffix}").height == 8


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0noise", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_is_left_out(exif):
    data = file_of(Image.new("RGB", (8, 6), (255, 255, 255)), "JPEG", exif=exif)
    picture = load_picture(data)
    assert picture.exif is None
    assert picture.rgb.min() > 0.99
    assert load_training_rgb(data).size == (8, 6)


@pytest.mark.parametrize("turn", [0, 9, "left"])
def test_senseless_orientation_is_upright(turn):
    image = Image.new("RGB", (8, 6))
    image.getexif()[ORIENTATION] = turn
    assert picture_from_pil(image).width == 8


def test_blocks_too_long_for_a_jpeg_are_left_out(tmp_path):
    image = Image.new("RGB", (8, 6))
    image.getexif()[ExifTags.Base.ImageDescription] = "long " * 20_000
    image.info["xmp"] = b"x" * 100_000
    save_picture(picture_from_pil(image), tmp_path / "out.jpg")
    kept = load_picture(tmp_path / "out.jpg")
    assert (kept.exif, kept.xmp) == (None, None)


def test_preview_of_the_old_picture_does_not_stay(tmp_path):
    preview = file_of(Image.new("RGB", (16, 12)), "JPEG")
    exif = camera_exif()
    first = exif.get_ifd(ExifTags.IFD.IFD1)
    first[ExifTags.Base.JpegIFOffset] = preview
    first[ExifTags.Base.JpegIFByteCount] = len(preview)
    data = file_of(Image.new("RGB", (80, 60)), "JPEG", exif=exif.tobytes() + preview)
    assert data.count(b"\xff\xd8\xff") > 1
    save_picture(load_picture(data), tmp_path / "out.jpg")
    assert (tmp_path / "out.jpg").read_bytes().count(b"\xff\xd8\xff") == 1


@pytest.mark.parametrize("quote", ["attribute", "element"])
def test_xmp_says_the_new_size_and_profile(quote, tmp_path):
    fields = {
        "tiff:ImageWidth": ("4000", "8"),
        "tiff:ImageLength": ("3000", "6"),
        "exif:PixelXDimension": ("4000", "8"),
        "exif:PixelYDimension": ("3000", "6"),
        "exif:ColorSpace": ("65535", "1"),
        "photoshop:ICCProfile": ("Adobe RGB (1998)", "sRGB IEC61966-2.1"),
    }
    form = ' {}="{}"' if quote == "attribute" else "<{0}>{1}</{0}>"
    old, new = (
        "".join(form.format(name, values[i]) for name, values in fields.items()) for i in (0, 1)
    )
    begin = "<x{}>" if quote == "attribute" else "<x>{}"
    previews = '<xmp:Thumbnails><rdf:Alt xmpGImg:image="/9j/4AAQ"/></xmp:Thumbnails>'
    image = Image.new("RGB", (8, 6))
    author = "<dc:creator>A. Photographer</dc:creator></x>"
    image.info["xmp"] = f"{begin.format(old)}{previews}{author}".encode()
    save_picture(picture_from_pil(image), tmp_path / "out.png")
    packet = load_picture(tmp_path / "out.png").xmp.decode()
    assert packet == f"{begin.format(new)}{author}"


def test_texts_of_a_png_are_kept_but_for_the_stale(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Düne")
    texts.add_itxt("Author", "Łukasz")
    texts.add_text("Thumb::Image::Width", "4000")
    data = file_of(Image.new("RGB", (8, 6)), "PNG", pnginfo=texts)
    save_picture(load_picture(data), tmp_path / "out.png")
    assert load_picture(tmp_path / "out.png").texts == (("Title", "Düne"), ("Author", "Łukasz"))


@pytest.mark.parametrize(("source", "target"), [("JPEG", "gif"), ("GIF", "jpg"), ("JPEG", "png")])
def test_comment_is_kept(source, target, tmp_path):
    data = file_of(Image.new("RGB", (8, 6)), source, comment=b"a remark")
    save_picture(load_picture(data), tmp_path / f"out.{target}")
    assert load_picture(tmp_path / f"out.{target}").texts == (("Comment", "a remark"),)


def test_resolution_goes_into_exif_where_there_is_no_other_place(tmp_path):
    picture = load_picture(file_of(Image.new("RGB", (8, 6)), "PNG", dpi=(300, 150)))
    save_picture(picture, tmp_path / "out.webp")
    assert load_picture(tmp_path / "out.webp").dpi == pytest.approx((300, 150), abs=0.1)
