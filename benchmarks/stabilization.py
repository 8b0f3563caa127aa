"""Flicker with and without `--stabilize`, on videos whose motion is known.

    python benchmarks/stabilization.py

The videos are rendered from photographs: a pan, a zoom, a rotation, a cut-out that moves over a
background, and a still camera with sensor noise; all but the last without noise. The warping error
is the root mean square difference between a stylized frame and the one before, moved along the
true flow, over the pixels that are seen in both. Sharpness is the root mean square gradient of the
stylized frames, as a share of that without `--stabilize`: blurring would be no cure.
"""

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import publish
from numpy.typing import NDArray

from impasto.images.files.io import load_picture, resize_longer_side
from impasto.images.picture import Picture
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.optical_flow import is_inside, warp
from impasto.runtime.video.stabilization import Stabilizer

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
WIDTH, HEIGHT, NUM_FRAMES = 256, 192, 8
STYLES = ("starry_night", "great_wave")
NOISE = 0.02
COMMAND = "python benchmarks/stabilization.py"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Video:
    """Frames; for each but the first, the flow to the frame before, and where that is seen."""

    name: str
    frames: list[Array]
    flows: list[Array]
    seen: list[NDArray[np.bool_]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--styles", nargs="+", default=STYLES)
    parser.add_argument("--frames", type=int, default=NUM_FRAMES)
    options = parser.parse_args()
    videos = [make(options.frames) for make in (pan, zoom, rotation, cut_out, noise)]
    rows = [row for style in options.styles for row in _measure_style(style, videos)]
    head = (
        "| style | video | error of the video itself | without | with `--stabilize` | ratio "
        "| sharpness kept |"
    )
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['style']} | {row['clip']} | {row['itself']:.4f} | {row['without']:.4f} "
            f"| {row['with']:.4f} | {row['with'] / row['without']:.2f} | {row['sharpness']:.2f} |"
        )
    note = (
        f"{WIDTH}×{HEIGHT}, {options.frames} frames each; errors in units of full scale (1), "
        f"noise with a standard deviation of {NOISE}; f32."
    )
    table = "\n".join([*lines, "", note])
    publish("stabilization", command=COMMAND, table=table, content={"rows": rows})


def _measure_style(style: str, videos: list[Video]) -> list[dict[str, object]]:
    stylizer = Stylizer(style, precision="f32")

    def stylize(rgb: Array) -> Array:
        return stylizer.stylize(Picture(rgb)).rgb

    rows: list[dict[str, object]] = []
    for video in videos:
        plain = [stylize(frame) for frame in video.frames]
        steady = list(map(Stabilizer(stylize), video.frames))
        rows.append(
            {
                "style": style,
                "clip": video.name,
                "itself": warping_error(video.frames, video),
                "without": warping_error(plain, video),
                "with": warping_error(steady, video),
                "sharpness": sharpness(steady) / sharpness(plain),
            }
        )
    return rows


def warping_error(frames: list[Array], video: Video) -> float:
    squares, count = 0.0, 0
    for before, frame, flow, seen in zip(frames, frames[1:], video.flows, video.seen, strict=False):
        difference = (frame - warp(before, flow))[seen]
        squares += float(np.square(difference, dtype=np.float64).sum())
        count += difference.size
    return float(np.sqrt(squares / count))


def sharpness(frames: list[Array]) -> float:
    squares = [np.square(g).mean() for frame in frames for g in np.gradient(frame, axis=(0, 1))]
    return float(np.sqrt(np.mean(squares)))


def pan(num_frames: int) -> Video:
    """The camera moves by 2.3 and 0.7 pixels a frame."""
    return _camera("pan", "china.jpg", [(1, t * (2.3 + 0.7j)) for t in range(num_frames)])


def zoom(num_frames: int) -> Video:
    """The camera comes closer by 1 % a frame."""
    return _camera("zoom", "flower.jpg", [(0.99**t, 0) for t in range(num_frames)])


def rotation(num_frames: int) -> Video:
    """The camera rotates by half a degree a frame."""
    rotations = np.exp(1j * np.deg2rad(0.5 * np.arange(num_frames)))
    return _camera("rotation", "coffee.png", [(factor, 0) for factor in rotations])


def noise(num_frames: int) -> Video:
    """A still camera whose sensor is noisy."""
    still = _camera("still, noisy", "chelsea.png", _still(num_frames))
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(frame + NOISE * rng.standard_normal(frame.shape), 0, 1).astype(np.float32)
        for frame in still.frames
    ]
    return Video(still.name, noisy, still.flows, still.seen)


def cut_out(num_frames: int) -> Video:
    """A disc out of another photograph moves by 3 and 1 pixels a frame over a still background."""
    background = _camera("", "china.jpg", _still(1)).frames[0]
    other = _camera("", "astronaut.png", _still(1)).frames[0]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    frames, flows, seen, discs = [], [], [], []
    for t in range(num_frames):
        distance = np.hypot(columns - 80 - 3 * t, rows - 80 - t)
        disc = distance < 45
        step = np.full((HEIGHT, WIDTH, 2), (-3.0 * t, -1.0 * t), np.float32)
        cover = np.clip(45.5 - distance, 0, 1)[..., np.newaxis]
        frames.append(cover * warp(other, step).clip(0, 1) + (1 - cover) * background)
        discs.append(disc)
    for before, disc in itertools.pairwise(discs):
        flow = np.where(disc[..., np.newaxis], (-3.0, -1.0), 0.0).astype(np.float32)
        uncovered = before & ~disc
        flows.append(flow)
        seen.append(~uncovered & ~_edge_of(disc) & ~_edge_of(before) & is_inside(flow))
    return Video("cut-out", frames, flows, seen)


def _edge_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels within two of the mask's edge, where both sides are blended."""
    padded = np.pad(mask, 2, mode="edge")
    shifted = [padded[r : r + HEIGHT, c : c + WIDTH] for r in range(5) for c in range(5)]
    return np.any(shifted, axis=0) & ~np.all(shifted, axis=0)


def _still(num_frames: int) -> list[tuple[complex, complex]]:
    return [(1, 0)] * num_frames


def _camera(name: str, photo: str, positions: list[tuple[complex, complex]]) -> Video:
    """A video of a plane photograph.

    Args:
        positions: of the camera, frame by frame: the pixel at z = column + i·row, counted from the
            middle, shows the photograph at factor · z + shift.
    """
    picture = resize_longer_side(load_picture(PHOTOS / photo), 2 * WIDTH).rgb
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    z = columns - (WIDTH - 1) / 2 + 1j * (rows - (HEIGHT - 1) / 2)
    frames = [_seen_at(picture, factor * z + shift) for factor, shift in positions]
    flows = []
    for (factor, shift), (factor_before, shift_before) in zip(
        positions[1:], positions, strict=False
    ):
        flow = (factor * z + shift - shift_before) / factor_before - z
        flows.append(np.stack([flow.real, flow.imag], axis=-1).astype(np.float32))
    return Video(name, frames, flows, [is_inside(flow) for flow in flows])


def _seen_at(picture: Array, positions: NDArray[np.complexfloating]) -> Array:
    """The picture at positions counted from its middle."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    flow = np.zeros((height, width, 2), np.float32)
    flow[:HEIGHT, :WIDTH, 0] = positions.real + (width - 1) / 2 - columns
    flow[:HEIGHT, :WIDTH, 1] = positions.imag + (height - 1) / 2 - rows
    return np.ascontiguousarray(warp(picture, flow)[:HEIGHT, :WIDTH].clip(0, 1))


if __name__ == "__main__":
    main()
