"""What a training writes while it runs: JSON lines, TensorBoard, and the curve as a picture."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

LOG_NAME = "log.jsonl"


class TrainingLog:
    """The log of one run, in `log.jsonl` and `tensorboard/` below its folder.

    A resumed run drops the lines after its checkpoint, so that each step stands there once.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        """Continue the log of `folder` after `first_step` steps."""
        self._path = folder / LOG_NAME
        _keep_lines_until(self._path, first_step)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Add one record: numbers go to both logs, everything to the JSON lines."""
        self._file.write(json.dumps({"step": step, **record}) + "\n")
        self._file.flush()
        for name, value in record.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is left."""
        self._file.close()
        self._board.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run's log, in order; a line cut short by a crash is left out."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / LOG_NAME).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                records.append(json.loads(line))
    return records


def draw_curve(folder: Path, target: Path, *, title: str) -> None:
    """Draw the weighted terms of a run over its steps, as PNG or SVG.

    Each line is the running mean over a fiftieth of the run; both axes carry their names.
    """
    from matplotlib.figure import Figure

    records = [record for record in read_log(folder) if "total" in record]
    steps = np.array([record["step"] for record in records])
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    window = max(len(records) // 50, 1)
    for term in ("total", "content", "style", "total_variation"):
        values = np.array([record[term] for record in records], dtype=float)
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot(steps[window - 1 :], smooth, label=term.replace("_", " "))
    axes.set(xlabel="step", ylabel="weighted loss", yscale="log", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    figure.savefig(temporary)
    temporary.replace(target)


def _keep_lines_until(path: Path, last_step: int) -> None:
    records = [record for record in read_log(path.parent) if record["step"] <= last_step]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    temporary.replace(path)
