"""`impasto upscale` with a model that repeats each pixel; what it shares is tested of `stylize`."""

import json

import av
import numpy as np
import pytest
from PIL import Image

from impasto.images.files.io import Picture, load_picture, load_picture_or_animation, save_picture
from model_fixtures import make_card, make_model_bytes
from video_fixtures import draw_frame

IDENTITY = np.eye(3, dtype=np.float16)[:, :, None, None]


@pytest.fixture
def upscale(impasto, tmp_path):
    path = tmp_path / "repeating.onnx"
    card = make_card(name="repeating", task="super-resolution", scale=2)
    path.write_bytes(make_model_bytes(card=card, kernel=IDENTITY, bias=0.0, scale=2))

    def call(*words, model=path, stdin=b""):
        return impasto("upscale", *words, "--model", model, stdin=stdin)

    return call


def test_a_picture_becomes_twice_as_large(upscale, photo, tmp_path):
    done = upscale(photo, "-o", tmp_path / "out.png")
    assert (done.status, done.lines) == (0, [str(tmp_path / "out.png")])
    with Image.open(photo) as before, Image.open(tmp_path / "out.png") as after:
        assert after.size == (2 * before.width, 2 * before.height)


def test_a_folder_and_json(upscale, photo, tmp_path):
    folder = tmp_path / "many" / "nested"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.jpg"):
        with Image.open(photo) as image:
            image.save(folder / name)
    done = upscale(tmp_path / "many", "-o", tmp_path / "out", "--json")
    told = json.loads(done.stdout)
    assert told["model"] == "repeating"
    assert len(told["done"]) == 2
    assert sorted(file.name for file in (tmp_path / "out" / "nested").iterdir()) == [
        "a.png", "b.jpg",
    ]  # fmt: skip


def test_pipes(upscale, photo):
    done = upscale("-", "-o", "-", stdin=photo.read_bytes())
    assert done.status == 0
    assert done.stdout.startswith(b"\x89PNG")


def test_tones_can_be_matched(impasto, photo, tmp_path):
    path = tmp_path / "brighter.onnx"
    card = make_card(name="brighter", task="super-resolution", scale=2)
    path.write_bytes(make_model_bytes(card=card, kernel=IDENTITY, bias=0.1, scale=2))
    for name, words in (("plain", ()), ("matched", ("--match-histogram",))):
        done = impasto("upscale", photo, "-m", path, "-o", tmp_path / f"{name}.png", *words)
        assert done.status == 0
    colours = [
        np.asarray(Image.open(tmp_path / f"{name}.png"))[0, 0] for name in ("plain", "matched")
    ]
    assert np.abs(colours[0] - np.array([35.5, 125.5, 225.5])).max() <= 1
    assert np.array_equal(colours[1], [10, 100, 200])


@pytest.mark.parametrize(
    ("words", "model", "message"),
    [
        (("--scale", "4"), None, "upscales by 2, expected 4"),
        ((), "nothing", "there is no model 'nothing'"),
        ((), "starry_night", "is a model for style-transfer, expected one for super-resolution"),
    ],
)
def test_what_cannot_be_done_takes_one_line(upscale, photo, tmp_path, words, model, message):
    given = {} if model is None else {"model": model}
    done = upscale(photo, "-o", tmp_path / "out.png", *words, **given)
    assert message in done.complaint
    assert not (tmp_path / "out.png").exists()


def test_an_animation_and_sixteen_bits_are_enlarged(upscale, tmp_path):
    frames = [Image.new("RGB", (8, 6), (80 * step, 0, 0)) for step in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=80)
    rgb = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 10, 3)
    save_picture(Picture(rgb, bits=16), tmp_path / "b.tif")
    done = upscale(tmp_path / "a.gif", tmp_path / "b.tif", "-o", tmp_path / "out", "--json")
    animation = load_picture_or_animation(tmp_path / "out" / "a.gif")
    assert (animation.num_frames, animation.first().width) == (3, 16)
    assert [frame.duration_ms for frame in animation.frames()] == [80, 80, 80]
    enlarged = load_picture(tmp_path / "out" / "b.tif")
    assert (enlarged.bits, enlarged.width) == (16, 20)
    np.testing.assert_allclose(enlarged.rgb[::2, ::2], rgb, atol=2 / 65_535)
    assert json.loads(done.stdout)["done"][1]["precision"] == "f32"


def read_film(path):
    """Times of the frames in seconds, their pixels, and the sound as it is encoded."""
    with av.open(str(path)) as opened:
        frames = list(opened.decode(video=0))
    with av.open(str(path)) as opened:
        sound = [bytes(packet) for packet in opened.demux(audio=0) if packet.size]
    pixels = [frame.to_ndarray(format="rgb24", src_colorspace="ITU709") for frame in frames]
    return [frame.pts * frame.time_base for frame in frames], pixels, sound


def test_a_film_becomes_twice_as_large_and_keeps_its_sound(upscale, film, tmp_path):
    done = upscale(film, "-o", tmp_path / "out.mp4", "--json")
    assert done.status == 0, done
    (made,) = json.loads(done.stdout)["done"]
    assert (made["width"], made["height"], made["frames"]) == (128, 96, 12)
    times, pixels, sound = read_film(tmp_path / "out.mp4")
    times_before, _, sound_before = read_film(film)
    assert times == times_before
    assert sound == sound_before
    for number, frame in enumerate(pixels):
        assert frame.shape == (96, 128, 3)
        for row, column in ((12, 16), (36, 48)):  # the middles of the corner and of the rest
            expected = draw_frame(number)[row, column].astype(int)
            difference = frame[2 * row, 2 * column] - expected
            assert np.abs(difference).max() <= 8, (number, row)  # two encodings
