"""How far a training has come, from the files of its run folder; only the standard library."""

import contextlib
import json
from pathlib import Path

PACE_RECORDS = 100
"""Lines at the end of a log that the steps per second are taken from."""


def steps_of(checkpoint: Path) -> tuple[int, int] | None:
    """Return the steps done and those of the recipe; None where no checkpoint can be read.

    The file is safetensors: the length of its header in 8 bytes, then that header as JSON.
    """
    try:
        with checkpoint.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        state = json.loads(header["__metadata__"]["impasto.checkpoint"])
    except (OSError, ValueError, KeyError):  # a damaged one has ended its training with an error
        return None
    return state["step"], sum(stage["steps"] for stage in state["recipe"]["stages"])


def pace_of(log: Path) -> float:
    """Return the steps per second at the end of a log; 0 where it is too short."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # cut short by a crash
                record = json.loads(line)
                if "seconds" in record:
                    records.append(record)
    if len(records) < 2:
        return 0.0
    first, last = records[-PACE_RECORDS:][0], records[-1]
    seconds: float = last["seconds"] - first["seconds"]
    return (last["step"] - first["step"]) / seconds if seconds > 0 else 0.0
