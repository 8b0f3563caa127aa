"""Tiles against whole pictures: their difference, seams, and the cost of large pictures.

    python benchmarks/tiling.py     # 2048², every shipped style, and 100 megapixels
    python benchmarks/tiling.py --styles starry_night --megapixels 12 24

Large pictures are the photographs of examples/, side by side. The command line transforms them in a
process of its own, whose peak memory the system says. Rows that are left out (`--styles` without
names, `--megapixels` without numbers) stay as they were measured before.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import RESULTS, publish
from pictures import mosaic
from PIL import Image
from processes import run_impasto

from impasto.runtime.predictor import Predictor
from impasto.runtime.tiles.tiled_predictor import ArraySource, TiledPredictor
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import list_models, resolve_model

UPSCALER = "faithful_x4"


def compare(model: ModelFile, rgb: np.ndarray, tile: int) -> dict[str, float]:
    """Transform a picture whole and in tiles; return their difference and their times."""
    whole_predictor = Predictor(model)
    whole_predictor(rgb)  # compiled, as the stages of tiles are below
    started = time.process_time()
    whole = whole_predictor(rgb)
    whole_seconds = time.process_time() - started
    predictor, source = TiledPredictor(model), ArraySource(rgb)
    grid = predictor.plan(source, tile_height=tile, tile_width=tile)
    assert len(grid.tiles) > 1
    tiled = np.empty_like(whole)
    scale = model.card.scale
    for _ in predictor.parts(source, grid, memory=2**31):
        pass
    started = time.process_time()
    for part in predictor.parts(source, grid, memory=2**31):
        rows, columns = (
            slice(span.start * scale, span.stop * scale) for span in (part.rows, part.columns)
        )
        tiled[rows, columns] = part.rgb
    seconds = time.process_time() - started
    borders = [span.core_start * scale for span in grid.columns[1:]]
    at_borders, elsewhere = steps(tiled, borders)
    own_at_borders, _ = steps(whole, borders)
    return {
        "tiles": len(grid.tiles),
        "psnr": float(-10 * np.log10(max(np.square(tiled - whole).mean(), 1e-12))),
        "grey_levels": float(np.abs(tiled - whole).max() * 255),
        "step_at_borders": at_borders,
        "step_at_borders_whole": own_at_borders,
        "step_elsewhere": elsewhere,
        "whole_cpu_seconds": whole_seconds,
        "tiled_cpu_seconds": seconds,
    }


def steps(rgb: np.ndarray, borders: list[int]) -> tuple[float, float]:
    """Mean step between neighbouring columns, in grey levels: at these columns, and at others."""
    step = np.abs(np.diff(rgb, axis=1)).mean(axis=(0, 2)) * 255
    at = np.isin(np.arange(1, rgb.shape[1]), borders)
    return float(step[at].mean()), float(step[~at].mean())


def large_photograph(path: Path, megapixels: float) -> tuple[int, int]:
    """Write a JPEG of about this many megapixels, 3:2, with odd sides."""
    import pyvips

    height = int((megapixels * 1e6 / 1.5) ** 0.5) | 1
    width = int(height * 1.5) | 1
    tile = (mosaic(2048) * 255).astype(np.uint8)
    square = pyvips.Image.new_from_memory(tile.tobytes(), 2048, 2048, 3, "uchar")
    across, down = -(-width // 2048), -(-height // 2048)
    square.replicate(across, down).crop(0, 0, width, height).jpegsave(str(path), Q=92)
    return width, height


def large(folder: Path, megapixels: float, upscaled: float) -> list[dict[str, object]]:
    """Stylize and upscale large photographs from file to file."""
    rows: list[dict[str, object]] = []
    jobs = [
        ("stylize", megapixels, ["--style", "starry_night"], suffix) for suffix in ("jpg", "tif")
    ]
    jobs.append(("upscale", upscaled, ["--model", UPSCALER], "tif"))
    for command, size, options, suffix in jobs:
        if not size:
            continue
        width, height = large_photograph(folder / "large.jpg", size)
        output = folder / f"output.{suffix}"
        words = [command, str(folder / "large.jpg"), *options, "-o", str(output)]
        usage = run_impasto([*words, "--memory", "1G", "--overwrite"])
        rows.append(
            {
                "command": f"{command} to {suffix}",
                "width": width,
                "height": height,
                "seconds": usage.seconds,
                "peak_bytes": usage.peak_bytes,
                "file_bytes": output.stat().st_size,
                "is_big_tiff": suffix == "tif" and _is_big_tiff(output),
            }
        )
        output.unlink()
    return rows


def _is_big_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3)[2] == 43


def main() -> None:
    Image.MAX_IMAGE_PIXELS = None
    names = [e.name for e in list_models() if e.released and e.card and e.card.painting]
    parser = argparse.ArgumentParser()
    parser.add_argument("--styles", nargs="*", default=names)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=704)
    parser.add_argument("--megapixels", type=float, nargs="*", default=[100])
    parser.add_argument("--upscaled", type=float, nargs="*", default=[100])
    parser.add_argument("--skip-upscaler", action="store_true")
    options = parser.parse_args()
    compared = {
        name: compare(resolve_model(name), mosaic(options.side), options.tile)
        for name in options.styles
    }
    if not options.skip_upscaler:
        compared[UPSCALER] = compare(
            resolve_model(UPSCALER), mosaic(options.side // 4), options.side // 8
        )
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rows = [row for size in options.megapixels for row in large(Path(folder), size, 0)] + [
            row for size in options.upscaled for row in large(Path(folder), 0, size)
        ]
    before = json.loads((RESULTS / "tiling.json").read_text())
    compared = before["compared"] | compared
    measured = {row["command"] for row in rows}
    rows = [row for row in before["large"] if row["command"] not in measured] + rows
    table = [
        f"Tiles against the whole picture, {options.side}² (upscaled: to that), both in "
        f"{TiledPredictor(resolve_model(UPSCALER)).precision}:\n",
        "| model | tiles | dB | greatest difference, grey levels | step at tile borders, tiled "
        "(whole) | step elsewhere | CPU time, tiled over whole |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in compared.items():
        ratio = row["tiled_cpu_seconds"] / row["whole_cpu_seconds"]
        table.append(
            f"| {name} | {row['tiles']} | {row['psnr']:.1f} | {row['grey_levels']:.2f} "
            f"| {row['step_at_borders']:.3f} ({row['step_at_borders_whole']:.3f}) "
            f"| {row['step_elsewhere']:.3f} | {ratio:.2f} |"
        )
    table += [
        "\nFrom file to file, `--memory 1G`:\n",
        "| command | picture | peak memory | seconds | BigTIFF |",
        "|---|---|---|---|---|",
    ]
    table += [
        f"| {row['command']} | {row['width']}×{row['height']} "
        f"| {row['peak_bytes'] / 2**20:.0f} MiB "
        f"| {row['seconds']:.0f} | {'yes' if row['is_big_tiff'] else 'no'} |"
        for row in rows
    ]
    publish(
        "tiling",
        command="python benchmarks/tiling.py " + " ".join(sys.argv[1:]),
        table="\n".join(table),
        content={"compared": compared, "large": rows},
    )


if __name__ == "__main__":
    main()
