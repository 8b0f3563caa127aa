"""When, where and by what a number was measured: it travels with every result we publish."""

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
    """Those of a measurement.

    Attributes:
        date: ISO date.
        hardware: processor and cores that this process may use.
        versions: of the packages that compute.
        commit: of the program; None where it is not run from a repository.
        command: to measure again.
    """

    date: str
    hardware: str
    versions: Mapping[str, str]
    commit: str | None
    command: str

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """All of it in one line of Markdown."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        commit = f", commit {self.commit}" if self.commit else ""
        return f"{self.date}, {self.hardware}, {versions}{commit}. Command: `{self.command}`."


def circumstances(command: str, *, packages: Sequence[str] = RECORDED_PACKAGES) -> Circumstances:
    """Return the circumstances of what is measured now, by this command, with these packages."""
    return Circumstances(
        date=datetime.now(UTC).date().isoformat(),
        hardware=processor(),
        versions=package_versions(packages),
        commit=_commit(),
        command=command,
    )


def processor() -> str:
    """Name the processor and say how many cores this process may use."""
    return f"{processor_name()}, {num_cores()} cores"


def load_average() -> float | None:
    """Return how many processes wanted a core in the last minute; None where it is not known."""
    try:
        return round(os.getloadavg()[0], 1)
    except (AttributeError, OSError):
        return None


def _commit() -> str | None:
    """The commit of the repository that this very file is tracked in."""
    here = Path(__file__).resolve()
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    return _git(here.parent, "rev-parse", "--short", "HEAD")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
