import io
import os
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, Image

from impasto.errors import PictureFileError, SettingError
from impasto.images.files.io import (
    READABLE_SUFFIXES,
    Picture,
    list_pictures,
    load_picture,
    load_training_rgb,
    read_header,
    save_picture,
)
from impasto.images.formats.pillow_errors import MAX_PIXELS
from impasto.images.profiles.colour_profile import srgb_profile

PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def photograph(height=24, width=32, **fields):
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [rows / height, columns / width, np.full((height, width), 0.5)]
    return Picture(np.stack(channels, axis=-1).astype(np.float32), **fields)


def with_alpha(height=24, width=32):
    alpha = np.zeros((height, width), dtype=np.float32)
    alpha[: height // 2] = 1
    return photograph(height, width, alpha=alpha)


def file_of(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [("png", 0.5), ("tif", 0.5), ("TIFF", 0.5), ("bmp", 0.5), ("jpg", 6), ("webp", 12)],
)
def test_saved_picture_is_read_back(suffix, tolerance, tmp_path):
    picture = photograph()
    save_picture(picture, tmp_path / f"out.{suffix}")
    loaded = load_picture(tmp_path / f"out.{suffix}")
    np.testing.assert_allclose(loaded.rgb * 255, picture.rgb * 255, atol=tolerance + 1e-3)
    assert loaded.alpha is None


def test_gif_is_written_in_few_colours_and_read(tmp_path):
    save_picture(photograph(), tmp_path / "out.gif")
    assert np.abs(load_picture(tmp_path / "out.gif").rgb - photograph().rgb).mean() < 0.05


def test_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for format_name in ("GIF", "PNG", "TIFF"):
        data = file_of(frames[0], format_name, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(load_picture(data).rgb[0, 0], [1, 0, 0])


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_is_kept(suffix, tmp_path):
    save_picture(with_alpha(), tmp_path / f"out.{suffix}")
    np.testing.assert_array_equal(
        load_picture(tmp_path / f"out.{suffix}").alpha, with_alpha().alpha
    )


@pytest.mark.parametrize("suffix", ["jpg", "bmp"])
def test_alpha_is_laid_on_white_where_a_format_has_none(suffix, tmp_path):
    save_picture(with_alpha(), tmp_path / f"out.{suffix}")
    loaded = load_picture(tmp_path / f"out.{suffix}")
    assert loaded.alpha is None
    assert loaded.rgb[16:].min() > 0.98
    np.testing.assert_allclose(loaded.rgb[:8], photograph().rgb[:8], atol=0.03)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_srgb_profile_is_embedded(suffix, tmp_path):
    save_picture(photograph(), tmp_path / f"out.{suffix}")
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_sixteen_bit_files_keep_their_scale():
    grey = np.array([[0, 13107, 65535]], dtype=np.uint16)
    for format_name in ("PNG", "TIFF"):
        picture = load_picture(file_of(Image.fromarray(grey), format_name))
        np.testing.assert_allclose(picture.rgb[0, :, 1], [0, 0.2, 1], atol=1e-6)


def test_tiff_with_white_at_zero_is_no_negative():
    grey = np.array([[0, 13107, 65535]], dtype=np.uint16)
    white_is_zero = {262: 0}
    data = file_of(Image.fromarray(grey), "TIFF", tiffinfo=white_is_zero)
    np.testing.assert_allclose(load_picture(data).rgb[0, :, 0], [1, 0.8, 0], atol=1e-6)


def test_format_wins_over_suffix(tmp_path):
    save_picture(photograph(), tmp_path / "picture.xyz", format="png")
    with Image.open(tmp_path / "picture.xyz") as image:
        assert image.format == "PNG"


def test_lower_quality_makes_smaller_files():
    for name in ("jpeg", "webp"):
        sizes = []
        for quality in (30, 95):
            stream = io.BytesIO()
            save_picture(photograph(64, 64), stream, format=name, quality=quality)
            sizes.append(len(stream.getvalue()))
        assert sizes[0] < sizes[1]


def test_training_photograph_is_eight_bit_rgb_on_white():
    image = Image.new("RGBA", (4, 2), (200, 100, 50, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    rgb = load_training_rgb(file_of(image, "PNG"))
    assert (rgb.mode, rgb.size) == ("RGB", (4, 2))
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((1, 0)) == (200, 100, 50)


def test_training_photograph_from_sixteen_bits():
    data = file_of(Image.fromarray(np.full((2, 4), 13107, dtype=np.uint16)), "PNG")
    assert load_training_rgb(data).getpixel((0, 0)) == (51, 51, 51)


@pytest.mark.parametrize(("short_side", "size"), [(None, 400), (60, 100), (50, 50), (101, 200)])
def test_training_jpeg_is_decoded_small_but_never_below_the_short_side(short_side, size):
    data = file_of(Image.new("RGB", (800, 400), (90, 120, 150)), "JPEG")
    rgb = load_training_rgb(data, short_side=short_side)
    assert rgb.size == (2 * size, size)
    np.testing.assert_allclose(rgb.getpixel((3, 3)), (90, 120, 150), atol=2)


def test_stream_and_bytes_and_path_are_the_same(tmp_path):
    path = tmp_path / "in.png"
    save_picture(photograph(), path)
    from_path = load_picture(str(path)).rgb
    np.testing.assert_array_equal(load_picture(path.read_bytes()).rgb, from_path)
    with path.open("rb") as stream:
        np.testing.assert_array_equal(load_picture(stream).rgb, from_path)


def test_pipe_is_read_and_written():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb") as writer:
        save_picture(photograph(), writer, format="png")
        writer.close()
        np.testing.assert_allclose(load_picture(reader).rgb, photograph().rgb, atol=0.51 / 255)


def test_stream_gets_png_unless_told():
    stream = io.BytesIO()
    save_picture(photograph(), stream)
    assert stream.getvalue().startswith(b"\x89PNG")


def test_pictures_are_listed_nested_and_sorted_without_hidden_ones(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.png", ".git/x.png", "c.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in list_pictures(tmp_path)]
    assert names == ["a.webp", "b/1.png", "b/2.JPG", "c.tif"]
    assert ".jpeg" in READABLE_SUFFIXES


@settings(deadline=None, max_examples=30)
@given(PIXELS, st.sampled_from(["png", "tiff", "bmp"]))
def test_lossless_files_are_exact_at_eight_bits(pixels, name):
    stream = io.BytesIO()
    save_picture(Picture(pixels.astype(np.float32) / np.float32(255)), stream, format=name)
    loaded = load_picture(stream.getvalue())
    np.testing.assert_array_equal(np.rint(loaded.rgb * 255), pixels)


def test_same_picture_gives_the_same_bytes():
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        save_picture(photograph(), stream)
    assert streams[0].getvalue() == streams[1].getvalue()


@pytest.mark.parametrize(
    "data", [b"", b"text, not pixels", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0"]
)
@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
def test_what_is_no_picture_is_one_line_that_names_the_file(data, load, tmp_path):
    path = tmp_path / "odd.png"
    path.write_bytes(data)
    with pytest.raises(PictureFileError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_messages_say_what_is_wrong(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for path, says in [
        (tmp_path / "missing.png", r"missing\.png does not exist; expected a picture file"),
        (tmp_path / "empty.png", r"empty\.png is empty; expected a picture"),
        (tmp_path / "text.png", r"text\.png is not a picture .* expected JPEG, PNG, WebP, TIFF"),
        (tmp_path, "is a folder; expected a picture file"),
        ("line\nbreak.png", r"'line\\nbreak\.png' does not exist"),
        ("nul\0.png", r"'nul\\x00\.png' cannot be opened"),
    ]:
        with pytest.raises(PictureFileError, match=says):
            load_picture(path)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
def test_truncated_file_is_an_error_not_half_a_picture(format_name, load):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    data = file_of(Image.fromarray(noise), format_name)
    with pytest.raises(PictureFileError, match="the picture data is damaged or cut short"):
        load(data[: len(data) // 2])


def test_unreadable_file_is_an_error(tmp_path, without_rights):
    path = tmp_path / "private.png"
    save_picture(photograph(), path)
    path.chmod(0)
    with without_rights(), pytest.raises(PictureFileError, match="may not be read"):
        load_picture(path)


@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
def test_decompression_bomb_is_one_line_with_the_number_of_pixels(load):
    bomb = bytearray(file_of(Image.new("L", (1, 1)), "GIF"))
    bomb[6:10] = b"\xff\xff\xff\xff"  # a screen of 65,535 × 65,535
    with pytest.raises(PictureFileError, match=r"too many pixels .*4,294,836,225.*178,956,970"):
        load(bytes(bomb))


def test_large_pictures_below_the_limit_are_no_bombs(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns from here, refuses at 200
    assert load_picture(file_of(Image.new("L", (15, 10)), "PNG")).width == 15
    assert MAX_PIXELS > 150


@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
def test_our_limit_holds_where_pillow_has_none(load, monkeypatch):
    bomb = bytearray(file_of(Image.new("L", (1, 1)), "GIF"))
    bomb[6:10] = b"\xff\xff\xff\xff"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(PictureFileError, match="65,535×65,535 = 4,294,836,225"):
        load(bytes(bomb))


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_outside_one_to_hundred_is_refused(quality, tmp_path):
    with pytest.raises(SettingError, match=r"expected 1 .* to 100"):
        save_picture(photograph(), tmp_path / "out.jpg", quality=quality)


def test_picture_too_large_for_its_format_is_refused(tmp_path):
    with pytest.raises(PictureFileError, match=r"at most 16,383 pixels .* 16384×1; save it as PNG"):
        save_picture(photograph(1, 16_384), tmp_path / "out.webp")


def test_closed_streams_are_errors():
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(PictureFileError, match="the stream cannot be read"):
        load_picture(stream)
    with pytest.raises(PictureFileError, match="cannot be written to the stream"):
        save_picture(photograph(), stream)


def test_text_streams_are_errors():
    with pytest.raises(PictureFileError, match="the stream cannot be read"):
        load_picture(io.StringIO("text"))
    with pytest.raises(PictureFileError, match="cannot be written to the stream"):
        save_picture(photograph(), io.StringIO())


def test_folder_to_list_must_be_one(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PictureFileError, match="file is a file; expected a folder"):
        list_pictures(tmp_path / "file")
    with pytest.raises(PictureFileError, match="missing does not exist; expected a folder"):
        list_pictures(tmp_path / "missing")


def test_warning_filters_are_as_before_when_threads_have_read():
    data = file_of(Image.new("P", (64, 64)), "PNG", transparency=b"\0")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [load_picture(data) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_a_header_tells_size_and_greyness_without_decoding(tmp_path):
    sideways = Image.Exif()
    sideways[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (5, 3)).save(tmp_path / "turned.jpg", exif=sideways)
    Image.new("L", (5, 3)).save(tmp_path / "grey.png")
    Image.new("I;16", (4, 2)).save(tmp_path / "deep.png")
    names = ("turned.jpg", "grey.png", "deep.png")
    headers = [read_header(tmp_path / name) for name in names]
    assert [(h.width, h.height, h.is_grey) for h in headers] == [
        (3, 5, False),
        (5, 3, True),
        (4, 2, True),
    ]
    with pytest.raises(PictureFileError, match="does not exist"):
        read_header(tmp_path / "nothing.png")


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_header_and_picture_agree_on_the_size_of_sideways_files(tmp_path, format_name):
    sideways = Image.Exif()
    sideways[ExifTags.Base.Orientation] = 6
    file = tmp_path / f"sideways.{format_name.lower()}"
    Image.new("RGB", (20, 12)).save(file, exif=sideways)
    header, picture = read_header(file), load_picture(file)
    assert (header.width, header.height) == (picture.width, picture.height) == (12, 20)
