"""PNGs with chunks of any length, anywhere."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from impasto.errors import PictureFileError
from impasto.images.files.io import load_picture, load_picture_or_animation, load_training_rgb
from impasto.images.metadata.png_chunks import MAX_ALL_TEXT_BYTES, MAX_TEXT_BYTES
from impasto.images.windows.reading import open_windows

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def png(**options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def with_chunks(*chunks, behind=False):
    data = png()
    at = len(data) - 12 if behind else 33
    return data[:at] + b"".join(chunk(*each) for each in chunks) + data[at:]


def text(length, keyword=b"history", kind=b"zTXt"):
    packed = zlib.compress(b"x" * length)
    if kind == b"iTXt":
        return kind, keyword + b"\0\1\0\0\0" + packed
    return kind, keyword + (b"\0" + b"x" * length if kind == b"tEXt" else b"\0\0" + packed)


def read(data, tmp_path):
    """Read in every way, which must agree."""
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    picture, windows = load_picture(data), open_windows(path, tmp_path)
    np.testing.assert_array_equal(np.rint(picture.rgb * 255), PIXELS)
    np.testing.assert_array_equal(np.asarray(load_training_rgb(data)), PIXELS)
    np.testing.assert_array_equal(windows.channels(slice(0, 20), slice(0, 30)), picture.rgb)
    assert windows.metadata == picture.metadata
    return dict(picture.texts)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_a_long_text_is_left_out_and_others_stay(kind, behind, tmp_path):
    short = text(10, b"short", kind)
    long = text(3_000_000, kind=kind)
    assert read(with_chunks(short, long, behind=behind), tmp_path) == {"short": "x" * 10}
    almost = text(MAX_TEXT_BYTES - 100, kind=kind)
    found = read(with_chunks(short, almost, behind=behind), tmp_path)
    assert {key: len(value) for key, value in found.items()} == {
        "short": 10,
        "history": MAX_TEXT_BYTES - 100,
    }


def test_many_texts_together_have_a_limit_too(tmp_path):
    count = MAX_ALL_TEXT_BYTES // 900_000 + 10
    texts = [text(900_000, b"text%d" % number) for number in range(count)]
    assert len(read(with_chunks(*texts), tmp_path)) == MAX_ALL_TEXT_BYTES // 900_000


def test_a_bomb_takes_little_memory():
    bomb = zlib.compress(bytes(200_000_000), 9)
    data = with_chunks((b"zTXt", b"bomb\0\0" + bomb), (b"iCCP", b"bomb\0\0" + bomb))
    tracemalloc.start()
    picture = load_picture(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(np.rint(picture.rgb * 255), PIXELS)
    assert peak < 60_000_000


def test_a_long_profile_is_read(linear_rgb_profile, tmp_path):
    profile = linear_rgb_profile + np.random.default_rng(0).bytes(3_000_000)
    whole = struct.pack(">I", len(profile)) + profile[4:]
    data = with_chunks((b"iCCP", b"long\0\0" + zlib.compress(whole)))
    expected = load_picture(png(icc_profile=linear_rgb_profile)).rgb
    np.testing.assert_array_equal(load_picture(data).rgb, expected)


def test_texts_with_the_names_of_other_things_are_but_texts(tmp_path):
    for name in (b"transparency", b"gamma", b"srgb", b"icc_profile", b"exif", b"cicp", b"dpi"):
        assert read(with_chunks(text(5, name, b"tEXt")), tmp_path) == {name.decode(): "x" * 5}


def test_exif_behind_the_pixels_turns_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = with_chunks((b"eXIf", exif.tobytes()[6:]), behind=True)
    (tmp_path / "turned.png").write_bytes(data)
    windows = open_windows(tmp_path / "turned.png", tmp_path)
    assert (windows.width, windows.height) == (20, 30)
    np.testing.assert_array_equal(np.rint(load_picture(data).rgb * 255), np.rot90(PIXELS, -1))


def test_exif_of_imagemagick_is_kept():
    exif = Image.Exif()
    exif[315] = "Jan"
    raw = exif.tobytes()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(raw):8d}\n{raw.hex()}\n")
    assert b"Jan" in load_picture(png(pnginfo=texts)).exif


def test_an_animation_with_a_long_text_behind_its_frames_is_read():
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=50)
    data = buffer.getvalue()
    more = chunk(*text(3_000_000)) + chunk(*text(9, b"short"))
    animation = load_picture_or_animation(data[:-12] + more + data[-12:])
    first, second = (frame.picture for frame in animation.frames())
    np.testing.assert_array_equal(np.rint(first.rgb * 255), PIXELS)
    np.testing.assert_array_equal(np.rint(second.rgb * 255), 255 - PIXELS)
    assert dict(first.texts) == {"short": "x" * 9}


@pytest.mark.parametrize("end", [8, 20, 33, 40, 60, -30, -12])
def test_a_png_cut_short_is_refused_or_read(end):
    with contextlib.suppress(PictureFileError):
        assert load_picture(with_chunks(text(3_000_000))[:end]).width == 30
