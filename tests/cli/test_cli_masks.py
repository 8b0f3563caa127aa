"""`impasto stylize --mask` with a style that turns pictures into their negatives."""

import json

import av
import numpy as np
import pytest
from PIL import Image

from video_fixtures import make_film

PHOTO, NEGATIVE = (10, 100, 200), (245, 155, 55)


@pytest.fixture
def mask(tmp_path):
    """White on the left, black on the right."""
    return save_mask(tmp_path / "mask.png")


def save_mask(path, *, is_left=True, width=24, height=16):
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, : width // 2] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if is_left else 255 - pixels).save(path)
    return path


def halves(path):
    """The colours of the left and the right half of a picture."""
    with Image.open(path) as image:
        return image.getpixel((5, 8)), image.getpixel((18, 8))


def test_white_takes_the_style_and_black_stays(negative, photo, mask, tmp_path):
    done = negative(photo, "--mask", mask, "-o", tmp_path / "out.png")
    assert (done.status, done.stderr) == (0, "")
    assert halves(tmp_path / "out.png") == (NEGATIVE, PHOTO)
    same = negative(photo, "--mask", mask, "--outside", "none", "-o", tmp_path / "none.png")
    assert same.status == 0
    assert (tmp_path / "none.png").read_bytes() == (tmp_path / "out.png").read_bytes()


def test_black_takes_the_style_outside(negative, photo, mask, tiny_model_path, tmp_path):
    words = ("--outside", tiny_model_path, "-o", tmp_path / "out.png")
    assert negative(photo, "--mask", mask, *words).status == 0
    assert halves(tmp_path / "out.png") == (NEGATIVE, NEGATIVE)


def test_one_mask_serves_a_folder(negative, photo, mask, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.open(photo).save(tmp_path / "photos" / name)
    done = negative(tmp_path / "photos", "--mask", mask, "-o", tmp_path / "out")
    assert done.status == 0
    for name in ("a.png", "b.png"):
        assert halves(tmp_path / "out" / name) == (NEGATIVE, PHOTO)


@pytest.mark.parametrize("batch_size", ["1", "4"])
def test_a_folder_of_masks_has_one_for_each_name(negative, photo, tmp_path, batch_size):
    photos = tmp_path / "photos"
    (photos / "sea").mkdir(parents=True)
    for name in ("a.png", "b.png", "sea/a.png", "c.png"):
        Image.open(photo).save(photos / name)
    save_mask(tmp_path / "masks" / "a.png")
    save_mask(tmp_path / "masks" / "b.tif", is_left=False)
    save_mask(tmp_path / "masks" / "sea" / "a.jpg", is_left=False)
    words = ("--mask", tmp_path / "masks", "-o", tmp_path / "out", "--batch-size", batch_size)
    done = negative(photos, *words, "--json")
    assert done.status == 1
    assert halves(tmp_path / "out" / "a.png") == (NEGATIVE, PHOTO)
    assert halves(tmp_path / "out" / "b.png") == (PHOTO, NEGATIVE)
    assert halves(tmp_path / "out" / "sea" / "a.png") == (PHOTO, NEGATIVE)
    (failed,) = json.loads(done.stdout)["failed"]
    assert failed["photo"] == str(photos / "c.png")
    assert "c.png has no mask; expected" in failed["error"]


def test_large_pictures_and_videos_have_their_masks_by_name(negative, photo, film, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    photo.rename(photos / "a.png")
    film.rename(photos / "b.mp4")
    save_mask(tmp_path / "masks" / "a.png", is_left=False)
    save_mask(tmp_path / "masks" / "b.png", width=64, height=48)
    words = ("--mask", tmp_path / "masks", "--tile", "136", "-o", tmp_path / "out")
    assert negative(photos, *words).status == 0
    assert halves(tmp_path / "out" / "a.png") == (PHOTO, NEGATIVE)
    with av.open(str(tmp_path / "out" / "b.mp4")) as out, av.open(str(photos / "b.mp4")) as source:
        found, frame = (
            next(it.decode(video=0)).to_ndarray(format="rgb24").astype(int) for it in (out, source)
        )
    assert np.abs(found[40, 16] - (255 - frame[40, 16])).max() <= 12  # of two encodings
    assert np.abs(found[40, 48] - frame[40, 48]).max() <= 12


def test_an_animation_has_one_mask_for_all_frames(negative, mask, tmp_path):
    frames = [Image.new("RGB", (24, 16), (level, level, level)) for level in (0, 100)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100)
    assert negative(tmp_path / "in.png", "--mask", mask, "-o", tmp_path / "out.png").status == 0
    with Image.open(tmp_path / "out.png") as image:
        for number, level in enumerate((0, 100)):
            image.seek(number)
            frame = image.convert("RGB")
            assert frame.getpixel((5, 8)) == (255 - level,) * 3
            assert frame.getpixel((18, 8)) == (level,) * 3


def test_tiles_and_two_styles_make_the_same_file(negative, tiny_model_path, mask, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    for tile in ("off", "136"):
        words = ("--tile", tile, "--mask", mask, "--outside", tiny_model_path, "--strength", "0.5")
        done = negative(tmp_path / "photo.png", *words, "-o", tmp_path / f"{tile}.png")
        assert done.status == 0
    off, tiled = (np.asarray(Image.open(tmp_path / f"{tile}.png")) for tile in ("off", "136"))
    assert np.abs(off.astype(int) - tiled).max() <= 1


def test_a_video_has_a_video_of_masks(negative, film, tmp_path):
    def draw(number, *, width, height):
        return np.full((height, width, 3), 0, np.uint8)

    masks = make_film(tmp_path / "masks.mkv", draw=draw, times=(0, 512), sound=None)
    done = negative(film, "--mask", masks, "-o", tmp_path / "out.mp4")
    assert (done.status, done.lines) == (0, [str(tmp_path / "out.mp4")])


def test_photographs_fail_by_name_where_a_mask_is_a_video(negative, photo, film, tmp_path):
    words = ("--mask", film, "-o", tmp_path / "out")
    done = negative(photo, film, *words)
    assert done.status == 1
    assert f"{photo}: {film} is a video, and a mask of videos only" in done.stderr
    assert "1 done, 1 failed" in done.stderr


def test_a_photograph_of_a_folder_that_its_mask_does_not_fit_is_named(
    negative, photo, mask, tmp_path
):
    Image.new("RGB", (30, 100)).save(tmp_path / "high.png")
    done = negative(photo, tmp_path / "high.png", "--mask", mask, "-o", tmp_path / "out")
    assert done.status == 1
    assert f"{tmp_path / 'high.png'}: {mask} is 24×16 pixels, and the photograph 30×100" in (
        done.stderr
    )
    assert halves(tmp_path / "out" / "photo.png") == (NEGATIVE, PHOTO)


def test_errors_take_one_line(negative, photo, mask, tiny_model_path, tmp_path):
    out = ("-o", tmp_path / "out.png")
    (tmp_path / "broken.png").write_text("no picture")
    square = save_mask(tmp_path / "square.png", width=100, height=100)
    cases = {
        ("--outside", tiny_model_path): "give --mask too",
        ("--mask", tmp_path / "missing.png"): "missing.png does not exist",
        ("--mask", tmp_path / "broken.png"): "broken.png",
        ("--mask", square): "square.png is 100×100 pixels, and the photograph 24×16; expected",
        ("--mask", mask, "--outside", "van_dogh"): "van_dogh",
        ("--mask", ""): "expected a picture file",
    }
    for words, said in cases.items():
        assert said in negative(photo, *words, *out).complaint
    assert not (tmp_path / "out.png").exists()
