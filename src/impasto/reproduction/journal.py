"""The journal of a claim: one JSON line for each unit of work, so that nothing is done twice.

The key of a unit names everything that its value depends on. A run that was stopped, or is
repeated with more photographs, continues from the journal.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from impasto.errors import CheckpointError
from impasto.files import reason_of

JOURNAL_NAME = "journal.jsonl"
NUM_SHOWN_ENTRIES = 4
"""Entries of a key in a line of progress; those for machines only come behind."""

Key = Mapping[str, Any]


class Journal:
    """The units of one claim.

    Attributes:
        folder: of the journal and of the units' files.
        num_left: units that there was no time for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Read the journal; a line that was cut off by a crash is skipped.

        Args:
            folder: made if need be.
            seconds: from now; no unit is begun later. None sets no limit.
            tell: called with a line for each unit that begins.

        Raises:
            CheckpointError: the folder cannot be made, or the journal not read.
        """
        self.folder, self.num_left, self.tell = folder, 0, tell
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._values: dict[str, Any] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / JOURNAL_NAME
            lines = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        except OSError as error:
            reason = reason_of(error)
            raise CheckpointError(f"cannot keep a journal in {folder}: {reason}") from error
        for line in lines.splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            record = json.loads(line)
            self._values[record["id"]] = record["value"]
        except (json.JSONDecodeError, KeyError, TypeError):
            return

    def unit(self, key: Key, compute: Callable[[], Any]) -> Any | None:
        """Return the value of a unit: from the journal, or computed and written to it.

        Args:
            key: all that the value depends on, as JSON has it.
            compute: returns the value, as JSON has it.

        Returns:
            The value, as it comes back from JSON; None where there was no time left to compute it.

        Raises:
            CheckpointError: the journal cannot be written.
        """
        identity = identity_of(key)
        if identity in self._values:
            return self._values[identity]
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.num_left += 1
            return None
        self.tell("  ".join(map(str, list(key.values())[:NUM_SHOWN_ENTRIES])))
        line = json.dumps({"id": identity, "key": key, "value": compute()})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                # A line break before it too: a crash can have cut the last line off.
                file.write(f"\n{line}\n")
        except OSError as error:
            raise CheckpointError(f"cannot write {self._path}: {reason_of(error)}") from error
        # Out of JSON, so that a value has the same types now as when it is read again.
        self._take(line)
        return self._values[identity]

    def path(self, key: Key, suffix: str) -> Path:
        """Return the path of a file that belongs to a unit: the same for the same key."""
        return self.folder / f"{identity_of(key)}{suffix}"


def identity_of(key: Key) -> str:
    """Return the digest of a key."""
    text = json.dumps(key, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of(path: Path) -> str:
    """Return the digest of a file's content, for a key.

    Raises:
        CheckpointError: the file cannot be read.
    """
    # Of the content, as the same photographs lie elsewhere and have other dates on other machines.
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
