"""`impasto stylize` with a style that turns pictures into their negatives."""

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageCms

from impasto.cli.options import MAXIMUM_SIZE, MINIMUM_SIZE
from impasto.images.colour import rgb_to_ycbcr
from impasto.runtime import stylizer as runtime
from impasto.runtime.backends.openvino_backend import OpenVinoBackend

NEGATIVE = (245, 155, 55)  # of the photograph's (10, 100, 200)


def pixels(path_or_bytes):
    source = io.BytesIO(path_or_bytes) if isinstance(path_or_bytes, bytes) else path_or_bytes
    with Image.open(source) as image:
        return np.asarray(image)


def colour_of(path_or_bytes):
    """The one colour a picture has."""
    values = pixels(path_or_bytes)
    colours = np.unique(values.reshape(-1, values.shape[2]), axis=0)
    assert len(colours) == 1
    return tuple(colours[0].tolist())


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def test_a_photograph_becomes_a_file(negative, photo, tmp_path):
    done = negative(photo, "-o", tmp_path / "out.png")
    assert (done.status, done.stderr) == (0, "")
    assert done.lines == [str(tmp_path / "out.png")]
    assert colour_of(tmp_path / "out.png") == NEGATIVE


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp", ".tif", ".bmp", ".gif"])
def test_the_suffix_decides_the_format(negative, photo, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    assert negative(photo, "-o", target).status == 0
    with Image.open(target) as image:
        assert suffix.lower() in {s for s, f in Image.EXTENSION.items() if f == image.format}
        colour = np.asarray(image.convert("RGB"))[8, 12]
    np.testing.assert_allclose(colour, NEGATIVE, atol=6)


def test_missing_folders_are_made_for_a_file(negative, photo, tmp_path):
    assert negative(photo, "-o", tmp_path / "new" / "nested" / "out.png").status == 0
    assert colour_of(tmp_path / "new" / "nested" / "out.png") == NEGATIVE


def test_a_photograph_goes_into_a_folder_under_its_name(negative, photo, tmp_path):
    (tmp_path / "there").mkdir()
    assert negative(photo, "-o", tmp_path / "there").lines == [str(tmp_path / "there/photo.png")]
    assert negative(photo, "-o", f"{tmp_path}/new/").lines == [str(tmp_path / "new/photo.png")]
    assert colour_of(tmp_path / "new" / "photo.png") == NEGATIVE


def test_a_folder_gives_a_folder_with_its_tree(negative, photo, tmp_path):
    photos = tmp_path / "photos"
    for name in ("a.png", "nested/deep/b.tif", "nested/a.png", ".hidden.png", ".git/c.png"):
        save(photos / name, Image.open(photo))
    (photos / "notes.txt").write_text("no photograph")
    done = negative(photos, "-o", tmp_path / "out")
    assert done.status == 0
    assert files_below(tmp_path / "out") == ["a.png", "nested/a.png", "nested/deep/b.tif"]
    assert sorted(done.lines) == sorted(
        str(tmp_path / "out" / name) for name in files_below(tmp_path / "out")
    )
    assert colour_of(tmp_path / "out" / "nested" / "deep" / "b.tif") == NEGATIVE


def test_several_photographs_and_folders_go_into_one_folder(negative, photo, noise, tmp_path):
    save(tmp_path / "photos" / "nested" / "c.png", Image.open(photo))
    done = negative(photo, noise, tmp_path / "photos", "-o", tmp_path / "out")
    assert done.status == 0
    assert files_below(tmp_path / "out") == ["nested/c.png", "noise.png", "photo.png"]


def test_a_suffix_that_can_only_be_read_gets_png_behind_it(negative, photo, tmp_path):
    save(tmp_path / "photos" / "a.ppm", Image.open(photo))
    assert negative(tmp_path / "photos", "-o", tmp_path / "out").status == 0
    assert files_below(tmp_path / "out") == ["a.ppm.png"]


def test_a_photograph_named_twice_is_done_once(negative, photo, tmp_path):
    done = negative(photo, f"{photo.parent}/./{photo.name}", "-o", tmp_path / "out")
    assert done.status == 0
    assert done.lines == [str(tmp_path / "out" / "photo.png")]


def test_pictures_made_inside_the_folder_are_not_done_again(negative, photo, tmp_path):
    photos = tmp_path / "photos"
    save(photos / "a.png", Image.open(photo))
    for _ in range(2):
        done = negative(photos, "-o", photos / "out", "--overwrite")
        assert done.lines == [str(photos / "out" / "a.png")]


def test_the_folder_of_photographs_may_lie_in_the_output_folder(negative, photo, tmp_path):
    save(tmp_path / "out" / "photos" / "a.png", Image.open(photo))
    done = negative(tmp_path / "out" / "photos", "-o", tmp_path / "out")
    assert done.lines == [str(tmp_path / "out" / "a.png")]


def test_a_pipe_is_read_and_written_as_png(negative, photo):
    done = negative("-", "-o", "-", stdin=photo.read_bytes())
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(b"\x89PNG")
    assert colour_of(done.stdout) == NEGATIVE


def test_a_pipe_is_read_into_a_file_or_folder(negative, photo, tmp_path):
    assert negative("-", "-o", tmp_path / "out.png", stdin=photo.read_bytes()).status == 0
    done = negative("-", "-o", f"{tmp_path}/out/", stdin=photo.read_bytes())
    assert done.lines == [str(tmp_path / "out" / "picture.png")]
    assert colour_of(tmp_path / "out.png") == NEGATIVE


def test_a_file_is_written_to_a_pipe(negative, photo):
    assert colour_of(negative(photo, "-o", "-").stdout) == NEGATIVE


def test_json_says_what_was_done_and_nothing_else(negative, photo, tmp_path):
    done = negative(photo, "-o", tmp_path / "out.png", "--json", "--size", "48")
    assert (done.status, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["done"][0].pop("seconds") >= 0
    assert report == {
        "style": "tiny_style",
        "done": [
            {
                "photo": str(photo),
                "picture": str(tmp_path / "out.png"),
                "width": 48,
                "height": 32,
                "precision": "f32",
            }
        ],
        "skipped": [],
        "failed": [],
    }


def test_overwrite_replaces_a_file(negative, photo, tmp_path):
    (tmp_path / "out.png").write_bytes(b"something else")
    assert negative(photo, "-o", tmp_path / "out.png", "--overwrite").status == 0
    assert colour_of(tmp_path / "out.png") == NEGATIVE


@pytest.mark.parametrize(("size", "expected"), [(48, (48, 32)), (16, (16, 11)), (24, (24, 16))])
def test_size_is_the_longer_side(negative, photo, tmp_path, size, expected):
    assert negative(photo, "-o", tmp_path / "out.png", "--size", size).status == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == expected


def test_size_is_the_height_of_an_upright_photograph(negative, tmp_path):
    upright = save(tmp_path / "upright.png", Image.new("RGB", (20, 40)))
    assert negative(upright, "-o", tmp_path / "out.png", "--size", 20).status == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (10, 20)


def test_the_sizes_allowed_are_those_of_the_runtime():
    assert (MINIMUM_SIZE, MAXIMUM_SIZE) == (runtime.MINIMUM_SIZE, runtime.MAXIMUM_SIZE)


def test_strength_0_is_the_photograph(negative, noise, tmp_path):
    assert negative(noise, "-o", tmp_path / "out.png", "--strength", 0).status == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), pixels(noise))


def test_strength_0_is_the_photograph_resized(negative, photo, tmp_path):
    assert negative(photo, "-o", tmp_path / "o.png", "--strength", 0, "--size", 36).status == 0
    assert colour_of(tmp_path / "o.png") == (10, 100, 200)
    assert pixels(tmp_path / "o.png").shape == (24, 36, 3)


def test_strength_blends_with_the_photograph(negative, photo, tmp_path):
    assert negative(photo, "-o", tmp_path / "out.png", "--strength", 0.25).status == 0
    # three quarters of (10, 100, 200) and one of (245, 155, 55): (68.75, 113.75, 163.75)
    assert colour_of(tmp_path / "out.png") == (69, 114, 164)


def test_keep_colors_keeps_the_photograph_s_chroma(negative, tmp_path):
    muted = save(tmp_path / "muted.png", Image.new("RGB", (24, 16), (110, 120, 140)))
    assert negative(muted, "-o", tmp_path / "out.png", "--keep-colors").status == 0
    before, after = (
        rgb_to_ycbcr(pixels(path)[:1, :1] / np.float32(255))[0, 0]
        for path in (muted, tmp_path / "out.png")
    )
    np.testing.assert_allclose(after[1:], before[1:], atol=1 / 255)
    np.testing.assert_allclose(after[0], 1 - before[0], atol=1 / 255)


def precision_reported(impasto, photo, model, out, *words):
    words = (photo, "--style", model, "-o", out, "--json", "--overwrite", *words)
    done = impasto("stylize", *words)
    return json.loads(done.stdout)["done"][0]["precision"] if done.status == 0 else done.complaint


def test_precision_is_f32_where_asked_and_else_what_the_processor_has(
    impasto, photo, tiny_model_path, tmp_path
):
    best = OpenVinoBackend(tiny_model_path.read_bytes()).precision
    call = (impasto, photo, tiny_model_path, tmp_path / "out.png")
    assert precision_reported(*call, "--precision", "f32") == "f32"
    assert precision_reported(*call, "--precision", "auto") == best
    assert precision_reported(*call) == best


def test_bf16_is_used_or_refused_in_one_line(impasto, photo, tiny_model_path, tmp_path):
    has_bf16 = OpenVinoBackend(tiny_model_path.read_bytes()).precision == "bf16"
    call = (impasto, photo, tiny_model_path, tmp_path / "out.png")
    answer = precision_reported(*call, "--precision", "bf16")
    refusal = "cannot be run in bf16 on this processor, which does not compute in it; use"
    assert answer == "bf16" if has_bf16 else refusal in answer
    assert (tmp_path / "out.png").exists() == has_bf16


def test_quality_changes_the_size_of_a_jpeg(negative, noise, tmp_path):
    for quality in (10, 95):
        negative(noise, "-o", tmp_path / f"{quality}.jpg", "--quality", quality, "--size", 256)
    sizes = [(tmp_path / f"{quality}.jpg").stat().st_size for quality in (10, 95)]
    assert sizes[0] < sizes[1] / 2


def test_alpha_is_kept_in_a_png_and_white_in_a_jpeg(negative, tmp_path):
    photo = Image.new("RGBA", (24, 16), (10, 100, 200, 255))
    photo.paste((10, 100, 200, 0), (0, 0, 12, 16))
    save(tmp_path / "cut_out.png", photo)
    for suffix in ("png", "jpg"):
        assert negative(tmp_path / "cut_out.png", "-o", tmp_path / f"out.{suffix}").status == 0
    result = pixels(tmp_path / "out.png")
    assert result[0, 20].tolist() == [*NEGATIVE, 255]
    assert np.unique(result[:, :12, 3]).tolist() == [0]
    np.testing.assert_allclose(pixels(tmp_path / "out.jpg")[8, 2], (255, 255, 255), atol=4)


def test_a_photograph_is_turned_as_its_camera_said(negative, tmp_path):
    photo = Image.new("RGB", (24, 16), (0, 0, 0))
    photo.paste((255, 255, 255), (0, 0, 12, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left, white half becomes the upper one
    photo.save(tmp_path / "turned.png", exif=exif)
    assert negative(tmp_path / "turned.png", "-o", tmp_path / "out.png").status == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (16, 24)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getpixel((8, 2)) == (0, 0, 0)  # white's negative
        assert image.getpixel((8, 22)) == (255, 255, 255)


def test_a_colour_profile_is_obeyed_and_srgb_embedded(negative, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # With the primaries of red and green exchanged, red means green.
    exchanged = (
        profile.replace(b"rXYZ", b"XYZ?").replace(b"gXYZ", b"rXYZ").replace(b"XYZ?", b"gXYZ")
    )
    photo = Image.new("RGB", (24, 16), (255, 0, 0))
    photo.save(tmp_path / "odd.png", icc_profile=exchanged)
    assert negative(tmp_path / "odd.png", "-o", tmp_path / "out.png").status == 0
    np.testing.assert_allclose(colour_of(tmp_path / "out.png"), (255, 0, 255), atol=2)
    with Image.open(tmp_path / "out.png") as image:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(embedded)


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16"])
def test_grey_and_palette_photographs_become_rgb(negative, tmp_path, mode):
    grey = np.full((16, 24), 255 if mode == "1" else 51, np.uint8)
    image = Image.fromarray(grey)
    image = Image.fromarray(grey * np.uint16(257)) if mode == "I;16" else image.convert(mode)
    save(tmp_path / "grey.png", image)
    assert negative(tmp_path / "grey.png", "-o", tmp_path / "out.png").status == 0
    assert colour_of(tmp_path / "out.png") == ((0, 0, 0) if mode == "1" else (204, 204, 204))


def test_a_tiny_photograph_is_no_trouble(negative, tmp_path):
    dot = save(tmp_path / "dot.png", Image.new("RGB", (1, 1), (10, 100, 200)))
    assert negative(dot, "-o", tmp_path / "out.png").status == 0
    assert pixels(tmp_path / "out.png").tolist() == [[list(NEGATIVE)]]


def test_one_s_own_style_is_called_by_name(impasto, photo, tiny_model_path, tmp_path):
    impasto("models", "add", tiny_model_path, "--name", "mine")
    assert impasto("stylize", photo, "-s", "mine", "-o", tmp_path / "out.png").status == 0
    np.testing.assert_allclose(colour_of(tmp_path / "out.png"), NEGATIVE, atol=2)


def test_help_names_every_value(impasto):
    text = impasto("stylize", "--help").stdout.decode()
    values = ("PHOTO", "--style STYLE", "--output OUT", "--size PIXELS", "--strength SHARE")
    assert [value for value in values if value not in text] == []
    assert "<" not in text.replace("<=", "")
