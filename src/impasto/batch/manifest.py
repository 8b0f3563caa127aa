"""The manifest of a batch: one line for each picture, with its result and checksum.

While a batch runs, its lines go into parts, written every few seconds, so that a batch that is
stopped loses next to nothing; at the end they become one file. An object store cannot append.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.parquet

from impasto.batch.storage import StoragePath
from impasto.errors import BatchError
from impasto.system.input_files import parse_json

SECONDS_BETWEEN_PARTS = 5.0
MAX_ROWS_OF_PART = 5000

MAX_SETTINGS_BYTES = 2**20
MAX_MANIFEST_BYTES = 2**32
"""Largest file of rows: some ten million of them."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """The result of one picture, or its error; the fields are the keys of a line.

    Attributes:
        source: name of the picture.
        target: name of its file below the output; of the part, if the output is a Parquet.
        sha256: checksum of its file; None if it failed.
        num_bytes: size of its file.
        width: width of the result in pixels.
        height: height of the result in pixels.
        seconds: time it took, reading and writing included.
        worker: machine and process of its worker.
        error: why it failed; None if it did not.
    """

    source: str
    target: str
    sha256: str | None
    num_bytes: int
    width: int
    height: int
    seconds: float
    worker: str
    error: str | None


class Manifest:
    """The manifest of an output: rows of earlier calls, and rows that are added.

    Args:
        output: the folder of the output.
        prefix: prefix of its files' names; `_` in a Parquet, whose readers leave such files out.
    """

    def __init__(self, output: StoragePath, *, prefix: str = "") -> None:
        self._output = output
        self._holds_parts = bool(prefix)
        self.name = f"{prefix}manifest.jsonl"
        self._settings_name = f"{prefix}manifest.settings.json"
        self._part_stem = f"{prefix}manifest.part-"
        self.rows: dict[str, ManifestRow] = {}
        self._waiting: list[ManifestRow] = []
        self._parts: list[str] = []
        self._written = time.monotonic()

    def begin(self, settings: dict[str, Any], names: Iterable[str], *, overwrite: bool) -> None:
        """Read the rows of earlier calls, or delete them.

        Args:
            settings: everything that a result depends on, beside the picture.
            names: names of the files in the output.
            overwrite: delete the rows of earlier calls.

        Raises:
            BatchError: earlier calls had other settings, or their rows cannot be read.
        """
        names = set(names)
        part = re.compile(re.escape(self._part_stem) + r"[0-9]{8}\.jsonl")
        self._parts = sorted(name for name in names if part.fullmatch(name))
        if overwrite:
            for name in (self.name, self._settings_name, *self._parts):
                self._output.inside(name).delete()
            self._parts = []
        elif self._settings_name in names:
            self._check_settings(settings)
            for name in (self.name, *self._parts):
                if name in names:
                    self._read(name)
        self._output.inside(self._settings_name).write(_json(settings))

    def finished_sources(self, sizes: dict[str, int], *, verify: bool) -> set[str]:
        """The sources of earlier calls whose files still exist.

        Args:
            sizes: sizes of the files in the output.
            verify: read the files and compare checksums; else their sizes must agree.
        """
        rows = [row for row in self.rows.values() if row.error is None and row.target in sizes]
        # A part of a Parquet holds many pictures: its size says nothing of one of them.
        if not self._holds_parts:
            rows = [row for row in rows if sizes[row.target] == row.num_bytes]
        if verify:
            rows = self._sound_in_parts(rows) if self._holds_parts else self._sound(rows)
        return {row.source for row in rows}

    def add(self, row: ManifestRow) -> None:
        """Add a row, in place of an earlier one of the same picture."""
        self.rows[row.source] = row
        self._waiting.append(row)
        is_time = time.monotonic() - self._written > SECONDS_BETWEEN_PARTS
        if is_time or len(self._waiting) >= MAX_ROWS_OF_PART:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are not written yet, as a part."""
        self._written = time.monotonic()  # a clock that nobody sets back
        if not self._waiting:
            return
        number = int(self._parts[-1].removeprefix(self._part_stem)[:8]) + 1 if self._parts else 1
        name = f"{self._part_stem}{number:08d}.jsonl"
        self._output.inside(name).write(_lines(self._waiting))
        self._parts.append(name)
        self._waiting.clear()

    def finish(self) -> None:
        """Write all rows as one file, and delete the parts."""
        # In this order: a stop in between leaves rows twice, which is harmless, and loses none.
        self._output.inside(self.name).write(_lines(self.rows.values()))
        for name in self._parts:
            self._output.inside(name).delete()
        self._parts = []
        self._waiting.clear()

    def _sound(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        return [row for row in rows if self._output.inside(row.target).sha256() == row.sha256]

    def _sound_in_parts(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        sound = set()
        for target in {row.target for row in rows}:
            part = self._output.inside(target)
            table = pyarrow.parquet.read_table(part.path, filesystem=part.filesystem)
            for source, data in zip(table["id"], table["bytes"], strict=True):
                sound.add((target, source.as_py(), hashlib.sha256(data.as_py()).hexdigest()))
        return [row for row in rows if (row.target, row.source, row.sha256) in sound]

    def _check_settings(self, settings: dict[str, Any]) -> None:
        file = self._output.inside(self._settings_name)
        try:
            earlier = parse_json(file.read(max_bytes=MAX_SETTINGS_BYTES))
        except (OSError, ValueError):
            earlier = None
        if not isinstance(earlier, dict):
            raise self._damaged(file.name)
        differing = sorted(
            key for key in earlier.keys() | settings.keys() if earlier.get(key) != settings.get(key)
        )
        if differing:
            key = differing[0]
            was, now = (str(fields.get(key))[:200] for fields in (earlier, settings))
            raise BatchError(
                f"{self._output.name} was made with other settings ({key[:80]}: {was}, now {now}); "
                f"choose another output, or --overwrite"
            )

    def _read(self, name: str) -> None:
        file = self._output.inside(name)
        try:
            lines = file.read(max_bytes=MAX_MANIFEST_BYTES).splitlines()
            rows = [ManifestRow(**parse_json(line)) for line in lines]
        except (OSError, ValueError, TypeError):
            raise self._damaged(file.name) from None
        for row in rows:
            texts, numbers = (row.source, row.target, row.worker), (row.num_bytes, row.seconds)
            may_lack = (text for text in (row.sha256, row.error) if text is not None)
            if not all(isinstance(text, str) for text in (*texts, *may_lack)):
                raise self._damaged(file.name)
            if not all(isinstance(number, int | float) for number in numbers):
                raise self._damaged(file.name)
            self.rows[row.source] = row

    def _damaged(self, name: str) -> BatchError:
        return BatchError(
            f"{name} is no manifest of ours, or damaged; choose another output, or --overwrite"
        )


def _lines(rows: Iterable[ManifestRow]) -> bytes:
    return b"".join(_json(asdict(row)) + b"\n" for row in rows)


def _json(content: dict[str, Any]) -> bytes:
    # Names that are no text have lone surrogates, which UTF-8 cannot encode.
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
