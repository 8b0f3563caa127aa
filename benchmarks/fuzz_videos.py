"""Damaged videos of every container that is read, stylized at strength 0 in a worker process.

python benchmarks/fuzz_videos.py [--files 500] [--seed 0] [--keep FOLDER]

Counted as in `fuzz_files`; a video that ends early is refused, and its finished part is kept.
"""

import argparse
import functools
import sys
import tempfile
from pathlib import Path

from fuzz_files import outcome_of_call, publish_fuzz

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import stylize_video
from video_fixtures import seed_videos

WRITTEN = (".mp4", ".mov", ".mkv", ".webm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    with tempfile.TemporaryDirectory() as folder:
        seeds = seed_videos(Path(folder))
    publish_fuzz(
        "fuzz_videos", seeds, outcome_of_video, parser.parse_args(), packages=("av", "numpy")
    )


def outcome_of_video(_kind: str, data: bytes, number: int) -> tuple[str, str]:
    """What becomes of a video that is read and written again."""
    return outcome_of_call(lambda: _read_and_write(data, number))


def _read_and_write(data: bytes, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = (
            Path(folder, "in.mp4"),
            Path(folder, f"out{WRITTEN[number % len(WRITTEN)]}"),
        )
        source.write_bytes(data)
        stylize_video(_stylizer(), source, target, strength=0)
        if not target.exists():
            raise AssertionError("nothing was written")


@functools.cache
def _stylizer() -> Stylizer:
    return Stylizer("udnie", precision="f32")


if __name__ == "__main__":
    main()
