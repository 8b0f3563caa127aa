"""Damaged files: a picture or one clear line, never another error, a warning or half a minute."""

import io

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.io import (
    Animation,
    Picture,
    PictureHeader,
    load_picture,
    load_picture_or_animation,
    load_training_rgb,
    read_header,
    save_picture,
)
from impasto.images.windows.reading import (
    PictureWindows,
    bits_by_windows,
    open_windows,
    size_of_file,
)
from mutants import mutant, seed_files

NUM_MUTANTS = 30
SEEDS = seed_files()


def load_all_frames(data):
    loaded = load_picture_or_animation(data)
    if isinstance(loaded, Animation):
        return [frame.picture for frame in loaded.frames()][-1]
    return loaded


def load_small(data):
    """Read as it is for a small size, by windows where that is possible."""
    return load_picture(data, longer_side=2)


def save_again(data):
    """Read as `stylize` does, and write what was read: metadata may be damaged too."""
    picture = load_picture(data)
    for name in ("jpeg", "png", "tiff"):
        save_picture(picture, io.BytesIO(), format=name)
    return picture


@pytest.mark.parametrize("kind", SEEDS)
def test_damaged_file_is_a_picture_or_one_clear_line(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # sizes lie; keep memory small
    monkeypatch.setattr("impasto.images.formats.pillow_errors.MAX_PIXELS", 1_000_000)
    monkeypatch.setattr("impasto.images.formats.animation.MAX_PIXELS", 1_000_000)
    for room in ("formats.conversion", "files.small_reading"):
        monkeypatch.setattr(f"impasto.images.{room}.LARGE_PIXELS", 1)
    assert isinstance(load_all_frames(SEEDS[kind]), Picture)
    random = np.random.default_rng(list(kind.encode()))

    def load_by_windows(data):
        """As large pictures are; what is not read so is no picture of another kind."""
        path = tmp_path / "the picture data "
        path.write_bytes(data)
        size_of_file(path)
        if bits_by_windows(path) is None:
            raise PictureFileError("the picture data is not for windows")
        windows = open_windows(path, tmp_path)
        windows.channels(slice(0, windows.height), slice(0, windows.width))
        return windows

    for _ in range(NUM_MUTANTS):
        other = list(SEEDS.values())[random.integers(len(SEEDS))]
        data = mutant(SEEDS[kind], random, other)
        for load, result in (
            (load_all_frames, Picture),
            (load_training_rgb, Image.Image),
            (load_small, Picture),
            (read_header, PictureHeader),
            (save_again, Picture),
            (load_by_windows, PictureWindows),
        ):
            message = "the picture data is one"
            try:
                assert isinstance(load(data), result)
            except PictureFileError as error:
                message = str(error).replace(f"'{tmp_path}/the picture data '", "the picture data")
                message = message.replace(f"{tmp_path}/", "")
            assert message.startswith("the picture data ") or "holds at most" in message
            assert "\n" not in message
