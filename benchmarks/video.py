"""The cost of a video beside its network: reading, colours, writing.

    python benchmarks/video.py

A video that pans over a photograph is stylized, and passed through at --strength 0, which does all
but the network. Times are the processor's, of all threads together, so that other programs on the
machine count little; frames per second are by the clock, and mean nothing on a busy machine.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measure import circumstances_of_speed, publish
from pictures import EXAMPLES

from impasto.images.files.io import load_picture, resize_longer_side
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import stylize_video

PHOTO = EXAMPLES / "china.jpg"
STYLE = "starry_night"
GOALS = {256: 30, 512: 15}
"""Frames a second, by size."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    num_frames = parser.parse_args().frames
    lines = [
        "| size | precision | processor time a frame, ms | of it not the network, ms | share "
        "| frames/s | wanted |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for stylizer in (Stylizer(STYLE), Stylizer(STYLE, precision="int8")):
            for size, goal in GOALS.items():
                row = _measure(Path(folder), stylizer, size, num_frames)
                rows.append({"precision": stylizer.precision, **row})
                lines.append(
                    f"| {size}² | {stylizer.precision} | {1000 * row['whole']:.0f} "
                    f"| {1000 * row['beside']:.1f} | {row['beside'] / row['whole']:.0%} "
                    f"| {row['frames_per_second']:.1f} | {goal} |"
                )
    note = (
        f"`{STYLE}`, {num_frames} frames, from H.264 to H.264, no sound. {circumstances_of_speed()}"
    )
    table = "\n".join([*lines, "", note])
    command = f"python benchmarks/video.py --frames {num_frames}"
    publish("video", command=command, table=table, content={"rows": rows, "style": STYLE})


def _measure(folder: Path, stylizer: Stylizer, size: int, num_frames: int) -> dict[str, float]:
    source = _pan(folder / f"{size}.mp4", size, num_frames)
    seconds = {}
    for strength in (0.0, 1.0):
        for _ in range(2):  # the first time compiles
            started, clock = time.process_time(), time.perf_counter()
            stylize_video(stylizer, source, folder / "out.mp4", strength=strength, overwrite=True)
            seconds[strength] = (time.process_time() - started) / num_frames
            frames_per_second = num_frames / (time.perf_counter() - clock)
    return {
        "size": float(size),
        "whole": seconds[1.0],
        "beside": seconds[0.0],
        "frames_per_second": frames_per_second,
    }


def _pan(path: Path, size: int, num_frames: int) -> Path:
    picture = resize_longer_side(load_picture(PHOTO), 2 * size).rgb
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width = stream.height = size
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(num_frames):
            view = picture[:size, 2 * number : 2 * number + size]
            pixels = np.ascontiguousarray((view * 255).astype(np.uint8))
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
