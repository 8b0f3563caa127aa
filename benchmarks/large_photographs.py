"""Large photographs and folders of many sizes: time a megapixel, and memory.

    python benchmarks/large_photographs.py                  # some ten minutes on two quiet cores
    python benchmarks/large_photographs.py --megapixels 24 --sizes 200

Each row is one `impasto stylize` in a process of its own. The system says its processor time and
its peak memory. Photographs are those of examples/, side by side.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from measure import publish
from pictures import mosaic
from PIL import Image
from processes import run_impasto

PHONE = (4032, 3024)
STYLE = "starry_night"


@dataclass(frozen=True)
class Row:
    """One run of the command.

    Attributes:
        what: the picture or the folder, in words.
        settings: of the command.
        megapixels: of all pictures together.
        cpu_seconds: of the process, all threads together.
        seconds: by the clock.
        peak_bytes: of memory.
    """

    what: str
    settings: str
    megapixels: float
    cpu_seconds: float
    seconds: float
    peak_bytes: int


def write_photograph(path: Path, width: int, height: int) -> None:
    """A JPEG of this size."""
    square = Image.fromarray((mosaic(2048) * 255).astype(np.uint8))
    whole = Image.new("RGB", (width, height))
    for top in range(0, height, 2048):
        for left in range(0, width, 2048):
            whole.paste(square, (left, top))
    whole.save(path, quality=92)


def write_sizes(folder: Path, num: int) -> float:
    """Small photographs of as many different sizes; their megapixels."""
    source = Image.fromarray((mosaic(512) * 255).astype(np.uint8))
    folder.mkdir()
    sizes = [(64 + number % 50 * 4, 64 + number // 50 * 4) for number in range(num)]
    for width, height in sizes:
        source.resize((width, height)).save(folder / f"{width}x{height}.jpg")
    return sum(width * height for width, height in sizes) / 1e6


def run(source: Path, output: Path, what: str, megapixels: float, *settings: str) -> Row:
    """Stylize a file or a folder."""
    words = ["stylize", str(source), "--style", STYLE, "-o", str(output), "--overwrite", *settings]
    usage = run_impasto(words)
    return Row(
        what, " ".join(settings), megapixels, usage.cpu_seconds, usage.seconds, usage.peak_bytes
    )


def rows_of(folder: Path, megapixels: list[float], num_sizes: int) -> Iterator[Row]:
    """The rows, the first being what the others are compared with."""
    photo, output = folder / "photo.jpg", folder / "stylized.jpg"
    write_photograph(photo, *PHONE)
    million = PHONE[0] * PHONE[1] / 1e6
    for settings in (("--tile", "off"), (), ("--memory", "1G"), ("--tile", "1024")):
        yield run(photo, output, "a phone's photograph", million, *settings)
    for size in megapixels:
        height = int((size * 1e6 / 1.5) ** 0.5) // 4 * 4
        write_photograph(photo, height * 3 // 2, height)
        for settings in ((), ("--memory", "4G"), ("--memory", "1G")):
            yield run(photo, output, f"{size:g} megapixels", size, *settings)
    for num in (num_sizes // 10, num_sizes):
        million = write_sizes(folder / str(num), num)
        what = f"{num} photographs of as many sizes"
        yield run(folder / str(num), folder / f"{num}-out", what, million, "--memory", "512M")


def main() -> None:
    Image.MAX_IMAGE_PIXELS = None
    parser = argparse.ArgumentParser()
    parser.add_argument("--megapixels", type=float, nargs="*", default=[64, 100])
    parser.add_argument("--sizes", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(rows_of(Path(folder), options.megapixels, options.sizes))
    whole = rows[0].cpu_seconds / rows[0].megapixels
    table = [
        f"`impasto stylize --style {STYLE}`; processor time a megapixel over that of a phone's "
        "photograph in one piece:\n",
        "| | settings | CPU s | a megapixel, over whole | seconds | peak memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    table += [
        f"| {row.what} | {row.settings or 'default'} | {row.cpu_seconds:.1f} "
        f"| {row.cpu_seconds / row.megapixels / whole:.2f} "
        f"| {row.seconds:.1f} | {row.peak_bytes / 2**20:.0f} |"
        for row in rows
    ]
    publish(
        "large_photographs",
        command="python benchmarks/large_photographs.py " + " ".join(sys.argv[1:]),
        table="\n".join(table),
        content={"rows": [asdict(row) for row in rows]},
        packages=("openvino", "numpy"),
    )


if __name__ == "__main__":
    main()
