import io
import struct

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.io import (
    Picture,
    list_pictures,
    load_picture,
    load_picture_or_animation,
    save_animation,
)
from impasto.images.formats.animation import Animation, Frame
from impasto.images.formats.pillow_errors import MAX_PIXELS

DURATIONS = [100, 200, 300, 400]
FORMATS = ["gif", "png", "webp", "avif"]


def sticker_images():
    """A red square that moves over nothing."""
    images = []
    for step in range(4):
        image = Image.new("RGBA", (20, 16), (0, 0, 0, 0))
        image.paste((250, 40 * step, 0, 255), (2 * step, 2, 2 * step + 8, 10))
        images.append(image)
    return images


def file_of(images, format_name, **options):
    buffer = io.BytesIO()
    options = {"duration": DURATIONS[: len(images)], "disposal": 2, **options}
    images[0].save(buffer, format_name, save_all=True, append_images=images[1:], **options)
    return buffer.getvalue()


def saved(animation, format_name, **options):
    stream = io.BytesIO()
    save_animation(animation, stream, format=format_name, **options)
    return stream.getvalue()


def grey_frames(num_frames, size=(3, 3)):
    levels = np.linspace(0, 1, num_frames, dtype=np.float32)
    return [Frame(Picture(np.full((*size, 3), level, np.float32)), 50.0) for level in levels]


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_every_frame_is_read_with_its_timing(format_name):
    images = sticker_images()
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    data = file_of(images, format_name, loop=0, **options.get(format_name, {}))
    animation = load_picture_or_animation(data)
    assert isinstance(animation, Animation)
    assert (animation.num_frames, animation.num_plays) == (4, 0)
    frames = list(animation.frames())
    assert [frame.duration_ms for frame in frames] == DURATIONS
    for frame, image in zip(frames, images, strict=True):
        wanted = np.asarray(image, dtype=np.float32)
        np.testing.assert_array_equal(frame.picture.alpha * 255, wanted[..., 3])
        visible = wanted[..., 3] > 0
        np.testing.assert_allclose(frame.picture.rgb[visible] * 255, wanted[visible, :3], atol=1.01)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_animation_goes_from_format_to_format(source, target):
    start = load_picture_or_animation(file_of(sticker_images(), "PNG", loop=3))
    between = load_picture_or_animation(saved(start, source, quality=100))
    end = load_picture_or_animation(saved(between, target, quality=100))
    assert end.num_plays == (0 if "avif" in (source, target) else 3)
    for frame, first in zip(end.frames(), start.frames(), strict=True):
        assert frame.duration_ms == first.duration_ms
        np.testing.assert_array_equal(frame.picture.alpha, first.picture.alpha)
        visible = first.picture.alpha > 0
        difference = np.abs(frame.picture.rgb - first.picture.rgb)[visible]
        assert difference.mean() * 255 < (12 if "webp" in (source, target) else 2)


@pytest.mark.parametrize(("loop", "num_plays"), [({}, 1), ({"loop": 0}, 0), ({"loop": 2}, 3)])
def test_gif_counts_repeats(loop, num_plays):
    animation = load_picture_or_animation(file_of(sticker_images(), "GIF", **loop))
    assert animation.num_plays == num_plays
    again = load_picture_or_animation(saved(animation, "gif"))
    assert again.num_plays == num_plays


def test_frames_are_transformed_when_they_are_asked_for():
    seen = []

    def negative(picture):
        seen.append(picture)
        return picture.with_rgb(1 - picture.rgb)

    animation = load_picture_or_animation(saved(Animation(3, 1, grey_frames(3).__iter__), "png"))
    changed = animation.transformed(negative)
    assert seen == []
    assert changed.first().rgb.max() == 1
    assert len(seen) == 1
    assert [frame.picture.rgb[0, 0, 0] for frame in changed.frames()] == pytest.approx(
        [1, 127 / 255, 0]
    )


def test_still_of_those_who_cannot_animate_is_no_frame():
    images = [image.convert("RGB") for image in sticker_images()]
    data = file_of(images, "PNG", default_image=True, duration=DURATIONS[:3])
    animation = load_picture_or_animation(data)
    assert animation.num_frames == 3
    np.testing.assert_array_equal(
        np.rint(animation.first().rgb * 255), np.asarray(images[1], dtype=np.float32)
    )


def test_frame_without_duration_is_shown_for_a_tenth_of_a_second():
    data = file_of(sticker_images(), "GIF", duration=0)
    durations = [frame.duration_ms for frame in load_picture_or_animation(data).frames()]
    assert durations == [100, 100, 100, 100]


def test_one_frame_is_a_picture():
    data = file_of(sticker_images()[:1], "GIF")
    assert isinstance(load_picture_or_animation(data), Picture)


def test_pages_of_a_tiff_are_no_animation():
    buffer = io.BytesIO()
    images = sticker_images()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    assert isinstance(load_picture_or_animation(buffer.getvalue()), Picture)


def test_first_frame_is_what_load_picture_reads():
    data = file_of(sticker_images(), "WEBP", lossless=True)
    animation = load_picture_or_animation(data)
    np.testing.assert_array_equal(animation.first().rgb, load_picture(data).rgb)


@pytest.mark.parametrize("format_name", ["gif", "png", "webp"])
def test_animation_with_too_many_pixels_is_refused_before_it_is_decoded(format_name, monkeypatch):
    data = file_of(sticker_images(), format_name)
    monkeypatch.setattr("impasto.images.formats.animation.MAX_PIXELS", 4 * 20 * 16 - 1)
    says = r"the picture data has too many pixels \(4 frames of 20×16\); at most 1,279"
    with pytest.raises(PictureFileError, match=says):
        load_picture_or_animation(data)


def test_result_with_too_many_pixels_is_refused_at_its_first_frame():
    made = []

    def frames():
        for frame in grey_frames(4):
            made.append(frame)
            yield frame

    with pytest.raises(PictureFileError, match="the result has too many pixels"):
        saved(Animation(MAX_PIXELS, 0, frames), "gif")
    assert len(made) == 1


def test_format_without_animations_is_refused(tmp_path):
    animation = Animation(3, 1, grey_frames(3).__iter__)
    with pytest.raises(PictureFileError, match=r"a JPEG file holds no animation; expected GIF"):
        save_animation(animation, tmp_path / "out.jpg")
    assert list_pictures(tmp_path) == []


def test_damaged_frame_leaves_no_file_behind(tmp_path):
    data = file_of([image.resize((200, 160)) for image in sticker_images()], "PNG")
    animation = load_picture_or_animation(data[: len(data) * 3 // 4])
    with pytest.raises(PictureFileError, match="damaged or cut short"):
        save_animation(animation, tmp_path / "out.gif")
    assert list(tmp_path.iterdir()) == []


def uncompressed(indices):
    """LZW data of a GIF with four colours, whose table never grows: it is cleared all the time."""
    codes = [code for index in indices for code in (4, index)] + [5]
    number = sum(code << (3 * place) for place, code in enumerate(codes))
    data = number.to_bytes((3 * len(codes) + 7) // 8, "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(screen, *frames):
    """Frames (left, top, width, height, red level of 0 to 3) on a screen."""
    palette = bytes([0, 0, 0, 85, 0, 0, 170, 0, 0, 255, 0, 0])
    data = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x81, 0, 0) + palette
    for left, top, width, height, level in frames:
        data += b"\x21\xf9\x04\x04\x0a\0\0\0"
        data += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0)
        data += uncompressed([level] * (width * height))
    return data + b";"


def levels(picture):
    return np.rint(picture.rgb[..., 0] * 3).astype(int).tolist()


def test_a_first_frame_beyond_its_screen_makes_it_larger():
    """Firefox and Chrome show the screen extended to the lower right corner of this frame."""
    assert levels(load_picture(gif((2, 1), (0, 0, 3, 2, 3)))) == [[3, 3, 3], [3, 3, 3]]
    assert levels(load_picture(gif((2, 1), (1, 1, 2, 1, 3)))) == [[0, 0, 0], [0, 3, 3]]


def test_a_later_frame_beyond_its_screen_is_cut():
    """Firefox and Chrome leave the screen as the first frame made it."""
    animation = load_picture_or_animation(gif((3, 2), (0, 0, 3, 2, 1), (1, 1, 5, 5, 3)))
    assert [levels(frame.picture) for frame in animation.frames()] == [
        [[1, 1, 1], [1, 1, 1]],
        [[1, 1, 1], [1, 3, 3]],
    ]
    both = load_picture_or_animation(gif((1, 1), (0, 0, 2, 2, 1), (1, 0, 9, 1, 2), (0, 0, 1, 1, 3)))
    assert [levels(frame.picture) for frame in both.frames()][-1] == [[3, 2], [1, 1]]


def test_a_later_frame_cannot_make_a_small_screen_huge():
    data = gif((2, 2), (0, 0, 2, 2, 1), (65_000, 65_000, 2, 2, 3))
    with pytest.raises(PictureFileError, match="too many pixels"):
        list(load_picture_or_animation(data).frames())
