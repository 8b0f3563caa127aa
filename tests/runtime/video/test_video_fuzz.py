"""Damaged videos end in a video or in one line; `benchmarks/fuzz_videos.py` tries many more."""

import sys
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import VideoFileError
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import stylize_video
from video_fixtures import seed_videos

sys.path.insert(0, str(Path(__file__).parents[1] / "images"))
from mutants import mutant

NUM_MUTANTS = 5  # of each container


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return seed_videos(tmp_path_factory.mktemp("seeds"))


@pytest.fixture
def stylizer(tiny_model_path):
    return Stylizer(tiny_model_path, precision="f32")


def complaint(stylizer, source, target):
    """What is said of a video that cannot be read; None for one that can."""
    try:
        stylize_video(stylizer, source, target, strength=0)
    except VideoFileError as error:
        return str(error)
    return None


@pytest.mark.parametrize("number", range(NUM_MUTANTS))
def test_a_damaged_video_is_a_video_or_one_line(seeds, stylizer, tmp_path, number):
    for kind, (name, data) in enumerate(seeds.items()):
        random = np.random.default_rng([number, kind])
        source, target = tmp_path / f"{name}.mp4", tmp_path / f"{name}.out.mkv"
        source.write_bytes(mutant(data, random, seeds["mp4"]))
        message = complaint(stylizer, source, target)
        assert target.exists() == (message is None), message
        assert message is None or len(message.splitlines()) == 1
    assert not list(tmp_path.glob(".impasto-*"))


def test_the_videos_to_damage_are_whole(seeds, stylizer, tmp_path):
    for name, data in seeds.items():
        (tmp_path / name).write_bytes(data)
        summary = stylize_video(stylizer, tmp_path / name, tmp_path / f"{name}.mkv", strength=0)
        assert 0 < summary.num_frames <= 6
