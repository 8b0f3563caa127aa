"""Damaged videos of every container that is read, stylized at strength 0 in a worker process.

    python benchmarks/fuzz_videos.py [--files 500] [--seed 0] [--keep FOLDER]

Counted as in `fuzz_files`; a video that ends early is refused, and its finished part is kept.
"""

import functools
import sys
import tempfile
from pathlib import Path

from fuzz_files import CPU_SECONDS, WORKER_BYTES
from fuzzing import READING_OUTCOMES, Fuzz, arguments, outcome_of_call, publish_fuzz

from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import stylize_video

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from mutants import mutant  # noqa: E402  (found there)
from video_fixtures import seed_videos  # noqa: E402

WRITTEN_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seeds = seed_videos(Path(folder))
    fuzz = Fuzz(
        name="fuzz_videos",
        subject="file",
        seeds=seeds,
        mutant=mutant,
        outcome_of=outcome_of_video,
        outcomes=READING_OUTCOMES,
        fine=("read", "refused"),
        packages=("av", "numpy"),
        cpu_seconds=CPU_SECONDS,
        max_bytes=WORKER_BYTES,
    )
    publish_fuzz(fuzz, arguments(__doc__, num_files=500))


def outcome_of_video(_kind: str, data: bytes, number: int) -> tuple[str, str]:
    """Read a video and write it again."""
    return outcome_of_call(lambda: _read_and_write(data, number))


def _read_and_write(data: bytes, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.mp4")
        output = Path(folder, f"out{WRITTEN_SUFFIXES[number % len(WRITTEN_SUFFIXES)]}")
        source.write_bytes(data)
        stylize_video(_stylizer(), source, output, strength=0)
        if not output.exists():
            raise AssertionError("nothing was written")


@functools.cache
def _stylizer() -> Stylizer:
    return Stylizer("udnie", precision="f32")


if __name__ == "__main__":
    main()
