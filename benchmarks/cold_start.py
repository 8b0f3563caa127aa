"""Whole processes from nothing: `impasto --help`, and `impasto stylize` of a 512² photograph.

python benchmarks/cold_start.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import publish
from pictures import write_noise

from impasto.evaluation.timing import median_seconds

COMMAND = "python benchmarks/cold_start.py"
GOALS = {"impasto --help": 0.5, "impasto stylize, 512²": 1.5}


def main() -> None:
    impasto = str(Path(sys.executable).with_name("impasto"))
    with tempfile.TemporaryDirectory() as folder:
        photo, picture = Path(folder) / "photo.jpg", Path(folder) / "picture.jpg"
        write_noise(photo, 512, 512, detail=32)
        stylize = ["stylize", str(photo), "-s", "starry_night", "-o", str(picture), "--overwrite"]
        seconds = median_seconds(
            {
                "impasto --help": lambda: _run(impasto, "--help"),
                "impasto stylize, 512²": lambda: _run(impasto, *stylize),
                "python -c pass": lambda: _run(sys.executable, "-c", "pass"),
            },
            num_rounds=9,
        )
    lines = ["| command | seconds | wanted under |", "|---|---|---|"]
    lines += [f"| {k} | {v:.2f} | {GOALS.get(k, '')} |" for k, v in seconds.items()]
    publish("cold_start", command=COMMAND, table="\n".join(lines), content={"seconds": seconds})


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
