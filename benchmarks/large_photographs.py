"""What photographs larger than a screen cost: time a megapixel, memory, and folders of all sizes.

    python benchmarks/large_photographs.py                  # some ten minutes on two quiet cores
    python benchmarks/large_photographs.py --megapixels 24 --sizes 200

Each row is one `impasto stylize` in a process of its own. The system tells its processor time and
its peak memory. Photographs are those of examples/, laid side by side.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from measure import publish
from PIL import Image
from tiling import photographs

PHONE = (4032, 3024)
STYLE = "starry_night"


@dataclass(frozen=True)
class Row:
    """One run of the command.

    Attributes:
        what: was stylized.
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
    square = Image.fromarray((photographs(2048) * 255).astype(np.uint8))
    whole = Image.new("RGB", (width, height))
    for top in range(0, height, 2048):
        for left in range(0, width, 2048):
            whole.paste(square, (left, top))
    whole.save(path, quality=92)


def write_sizes(folder: Path, num: int) -> float:
    """Small photographs of as many different sizes; their megapixels."""
    source = Image.fromarray((photographs(512) * 255).astype(np.uint8))
    folder.mkdir()
    sizes = [(64 + number % 50 * 4, 64 + number // 50 * 4) for number in range(num)]
    for width, height in sizes:
        source.resize((width, height)).save(folder / f"{width}x{height}.jpg")
    return sum(width * height for width, height in sizes) / 1e6


def run(source: Path, output: Path, what: str, megapixels: float, *settings: str) -> Row:
    """Run the command in a child."""
    words = ["stylize", str(source), "--style", STYLE, "-o", str(output), "--overwrite", *settings]
    with subprocess.Popen(
        [sys.executable, "-m", "impasto", *words], stdout=subprocess.DEVNULL
    ) as child:
        before = os.times().elapsed
        _, status, usage = os.wait4(child.pid, 0)
        seconds = os.times().elapsed - before
        child.returncode = status
    if status:
        raise SystemExit(f"impasto {' '.join(words)} failed")
    cpu = usage.ru_utime + usage.ru_stime
    return Row(what, " ".join(settings), megapixels, cpu, seconds, usage.ru_maxrss * 1024)


def measured(folder: Path, megapixels: list[float], num_sizes: int) -> Iterator[Row]:
    """The rows, the first being what the others are compared with."""
    photo, output = folder / "photo.jpg", folder / "result.jpg"
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
        rows = list(measured(Path(folder), options.megapixels, options.sizes))
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
