"""The logs of a training: JSON lines, TensorBoard, and the curve as a picture."""

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from impasto.errors import TrainingError
from impasto.files import reason_of, write_whole

LOG_NAME = "log.jsonl"
CURVE_TERMS = ("total", "content", "style", "total_variation")


class TrainingLog:
    """The log of one run, in `log.jsonl` and `tensorboard/` below its folder.

    Each step stands there once: a run that is resumed, or rolled back, drops the lines after the
    step it goes on from.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        """Continue the log of `folder` after `first_step` steps.

        Raises:
            TrainingError: when it cannot be written.
        """
        self._folder = folder
        self._open(first_step)

    def _open(self, last_step: int) -> None:
        path = self._folder / LOG_NAME
        with self._explained():
            records = [record for record in read_log(self._folder) if record["step"] <= last_step]
            lines = "".join(json.dumps(record) + "\n" for record in records)
            write_whole(path, lines.encode())
            self._file = path.open("a", encoding="utf-8")
            board = str(self._folder / "tensorboard")
            self._board = SummaryWriter(board, purge_step=last_step + 1)

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Add one record: numbers go to both logs, everything to the JSON lines.

        Raises:
            TrainingError: when it cannot be written.
        """
        with self._explained():
            self._file.write(json.dumps({"step": step, **record}) + "\n")
            self._file.flush()
            for name, value in record.items():
                if isinstance(value, (int, float)):
                    self._board.add_scalar(name, value, step)

    def go_back(self, step: int) -> None:
        """Drop what was written after `step` steps.

        Raises:
            TrainingError: when the log cannot be written.
        """
        self.close()
        self._open(step)

    def close(self) -> None:
        """Close both logs."""
        with contextlib.suppress(OSError):  # every line was flushed already
            self._file.close()
        self._board.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"cannot write the log in {self._folder}: {reason_of(error)}; "
                "mend that, then go on with --resume"
            ) from error


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run's log, in order; a line cut short by a crash is left out."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / LOG_NAME).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                records.append(json.loads(line))
    return [record for record in records if isinstance(record, dict) and "step" in record]


def draw_curve(folder: Path, output: Path, *, title: str) -> None:
    """Draw the weighted terms of a run over its steps, as PNG or SVG by the output's suffix.

    Each line is the running mean over a fiftieth of the run; both axes carry their names.

    Raises:
        TrainingError: when the output cannot be written.
    """
    records = [record for record in read_log(folder) if "total" in record]
    steps = np.array([record["step"] for record in records])
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    window = max(len(records) // 50, 1)
    for term in CURVE_TERMS:
        values = np.array([record.get(term, 0.0) for record in records], dtype=float)
        if (values > 0).any():  # a logarithm shows no others
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            axes.plot(steps[window - 1 :], smooth, label=term.replace("_", " "))
    axes.set(xlabel="step", ylabel="weighted loss", yscale="log")
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # of a title's script
        figure.savefig(drawn, format=output.suffix.removeprefix("."))
    try:
        write_whole(output, drawn.getvalue())
    except OSError as error:
        raise TrainingError(f"cannot write {output}: {reason_of(error)}") from error
