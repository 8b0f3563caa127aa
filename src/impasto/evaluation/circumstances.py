"""How an evaluation was measured: date, hardware, versions, commit, command.

Every published result carries them.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from impasto.system.machine import num_cores, package_versions, processor_name

RECORDED_PACKAGES = ("torch", "openvino", "numpy")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances of a measurement.

    Attributes:
        date: ISO date.
        hardware: processor and cores that this process may use.
        versions: of the packages that compute.
        commit: of the program; None outside a repository.
        command: that repeats the measurement.
    """

    date: str
    hardware: str
    versions: Mapping[str, str]
    commit: str | None
    command: str

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return all fields in one line of Markdown."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        commit = f", commit {self.commit}" if self.commit else ""
        return f"{self.date}, {self.hardware}, {versions}{commit}. Command: `{self.command}`."


def circumstances(command: str, *, packages: Sequence[str] = RECORDED_PACKAGES) -> Circumstances:
    """Return the circumstances of a measurement by this process; `packages` give their versions."""
    here = Path(__file__).resolve()
    # An installed package can lie in a repository of its user, whose commit says nothing of ours.
    is_tracked = _git(here.parent, "ls-files", "--error-unmatch", here.name) is not None
    return Circumstances(
        date=datetime.now(UTC).date().isoformat(),
        hardware=processor(),
        versions=package_versions(packages),
        commit=_git(here.parent, "rev-parse", "--short", "HEAD") if is_tracked else None,
        command=command,
    )


def processor() -> str:
    """Return the name of the processor and the number of cores this process may use."""
    return f"{processor_name()}, {num_cores()} cores"


def load_average() -> float | None:
    """Return the mean number of runnable processes in the last minute; None where it is unknown."""
    try:
        return round(os.getloadavg()[0], 1)
    except (AttributeError, OSError):  # Windows has no load average
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        process = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:  # there is no git
        return None
    return process.stdout.strip() if process.returncode == 0 else None
