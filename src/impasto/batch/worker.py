"""A worker of a batch: one compiled model, tables of pictures in, rows of the manifest out.

What a worker writes depends on nothing but the pictures and the settings. So a task that is lost
with its worker can be done again by another, and leaves the same files.
"""

import hashlib
import io
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet

from impasto.batch.manifest import ManifestRow
from impasto.batch.source import (
    DEFAULT_PARQUET_FORMAT,
    PARQUET_SUFFIX,
    ParquetColumns,
    target_of_id,
)
from impasto.batch.storage import Place, place_at
from impasto.errors import ImpastoError
from impasto.images.files.io import load_picture, save_picture
from impasto.images.formats.pillow_errors import MAX_PICTURE_BYTES
from impasto.runtime.compute import Compute, Precision, memory_bytes
from impasto.runtime.stylizer import DEFAULT_STYLE, StyleSettings, Stylizer
from impasto.runtime.transformation import Enlargement, Stylization, Transformation
from impasto.runtime.upscaler import Upscaler
from impasto.web import is_web_address, read_address
from impasto.zoo.model_file import ModelFile

DOWNLOAD_SECONDS = 600.0
"""By which a picture from the web must be there."""

NUM_ROWS_READ_AT_ONCE = 16
BYTES_READ_AT_ONCE = 2**28
"""Of a Parquet: fewer rows where they are large."""

_BUFFER_BYTES = 2**20
"""Without one, pyarrow reads a whole column of a row group into memory."""

PART_NAME = re.compile(r"part-[0-9a-f]{24}\.parquet")
"""Of a part of a Parquet; other files in its folder are none of ours."""

ROW_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("sha256", pa.string()),
        ("num_bytes", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("seconds", pa.float64()),
        ("worker", pa.string()),
        ("error", pa.string()),
    ]
)
"""Of `ManifestRow`, as a table."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What is done to every picture, and how it is written.

    Attributes:
        task: what the model is for.
        style: how photographs are stylized; for styles.
        precision: of the arithmetic.
        quality: of JPEG and WebP.
        picture_format: suffix of what is written; None lets each picture's name decide.
    """

    task: Literal["style-transfer", "super-resolution"]
    style: StyleSettings = DEFAULT_STYLE
    precision: Precision = "auto"
    quality: int = 92
    picture_format: str | None = None

    def recorded(self) -> dict[str, Any]:
        """The settings as the manifest has them, all on one level."""
        fields = asdict(self)
        return {"task": fields.pop("task"), **fields.pop("style"), **fields}


def open_transformation(
    model: ModelFile, settings: BatchSettings, *, num_threads: int | None
) -> Transformation:
    """What a model and settings do to a picture.

    Raises:
        ModelFileError: the model is for another task, or cannot be opened.
    """
    num_workers = (os.cpu_count() or 1) // (num_threads or 1)  # on this machine, at most
    compute = Compute(
        precision=settings.precision,
        num_threads=num_threads,
        memory=memory_bytes("auto", num_processes=max(1, num_workers)),
    )
    if settings.task == "super-resolution":
        return Enlargement(Upscaler(model, compute))
    return Stylization(Stylizer(model, compute), settings.style)


class Worker:
    """Works on tables: of sources, locations and targets, or of a Parquet's row groups.

    Args:
        model: the verified model.
        settings: what to do.
        output: the folder of the output.
        columns: of the input, if it is a Parquet.
        done: sources that are done already; for Parquets.
        num_threads: that the model computes with.
        may_replace: files of the output, by their names, that are written again; None is all.
    """

    def __init__(
        self,
        model: ModelFile,
        settings: BatchSettings,
        *,
        output: Place,
        columns: ParquetColumns | None,
        done: frozenset[str],
        num_threads: int,
        may_replace: frozenset[str] | None = None,
    ) -> None:
        self._may_replace = may_replace
        self._transformation = open_transformation(model, settings, num_threads=num_threads)
        self._settings = settings
        self._output = output
        self._columns, self._done = columns, done
        self._name = f"{platform.node()}:{os.getpid()}"

    def __call__(self, table: pa.Table) -> pa.Table:
        """The rows of the manifest for a table of pictures; the files are written by then."""
        work = self._work_of_files if self._columns is None else self._work_of_parquet
        if self._output.path.endswith(PARQUET_SUFFIX):
            rows = self._write_part(list(work(table)))
        else:
            rows = [self._write_file(each) for each in work(table)]
        return pa.Table.from_pylist([asdict(row) for row in rows], schema=ROW_SCHEMA)

    def _work_of_files(self, table: pa.Table) -> Iterator["_Work"]:
        for row in table.to_pylist():
            yield self._paint(row["source"], row["target"], partial(_read, row["location"]))

    def _work_of_parquet(self, table: pa.Table) -> Iterator["_Work"]:
        assert self._columns is not None
        for row in _rows_of_groups(table, self._columns):
            source, held = str(row[self._columns.id]), row[self._columns.bytes]
            if source not in self._done:
                data = held["bytes"] if isinstance(held, dict) else held
                yield self._paint(source, None, partial(bytes, data or b""))

    def _paint(self, source: str, target: str | None, read: Callable[[], bytes]) -> "_Work":
        """A picture read, worked on and encoded, or why it could not be."""
        started = time.perf_counter()
        work = _Work(source, target or "")
        try:
            work.target = target or target_of_id(source, self._settings.picture_format)
            picture = load_picture(read(), longer_side=self._transformation.size)
            result = self._transformation.transform(picture)
            encoded = io.BytesIO()
            suffix = work.target.rpartition(".")[2] or DEFAULT_PARQUET_FORMAT
            save_picture(result, encoded, format=suffix, quality=self._settings.quality)
            work.data = encoded.getvalue()
            work.width, work.height = result.width, result.height
        except Exception as error:  # one picture of a million must not end the batch
            work.error = _one_line(error)
        work.seconds = time.perf_counter() - started
        return work

    def _write_file(self, work: "_Work") -> ManifestRow:
        started = time.perf_counter()
        if work.error is None:
            try:
                replace = self._may_replace is None or work.target in self._may_replace
                self._output.inside(work.target).write(work.data, replace=replace)
            except Exception as error:  # likewise
                work.error = _one_line(error)
        work.seconds += time.perf_counter() - started
        return self._row_of(work, work.target)

    def _write_part(self, works: list["_Work"]) -> list[ManifestRow]:
        """Write the pictures as a part of a Parquet, named after what it holds."""
        good = [work for work in works if work.error is None]
        key = hashlib.sha256("\n".join(work.source for work in good).encode()).hexdigest()[:24]
        name = f"part-{key}{PARQUET_SUFFIX}"
        if good:
            held = pa.table(
                {
                    "id": [work.source for work in good],
                    "bytes": pa.array([work.data for work in good], pa.large_binary()),
                    "width": [work.width for work in good],
                    "height": [work.height for work in good],
                }
            )
            encoded = io.BytesIO()
            pyarrow.parquet.write_table(held, encoded, compression="none")  # they are compressed
            try:
                self._output.inside(name).write(encoded.getvalue())
            except Exception as error:  # likewise
                for work in good:
                    work.error = _one_line(error)
        return [self._row_of(work, name) for work in works]

    def _row_of(self, work: "_Work", target: str) -> ManifestRow:
        is_good = work.error is None
        return ManifestRow(
            source=work.source,
            target=target if is_good else "",
            sha256=hashlib.sha256(work.data).hexdigest() if is_good else None,
            num_bytes=len(work.data) if is_good else 0,
            width=work.width,
            height=work.height,
            seconds=round(work.seconds, 4),
            worker=self._name,
            error=work.error,
        )


@dataclass(slots=True)
class _Work:
    """A picture on its way."""

    source: str
    target: str
    data: bytes = b""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    error: str | None = None


def _read(location: str) -> bytes:
    if is_web_address(location):
        return read_address(location, max_bytes=MAX_PICTURE_BYTES, seconds=DOWNLOAD_SECONDS)
    return place_at(location).read(max_bytes=MAX_PICTURE_BYTES)


def _rows_of_groups(table: pa.Table, columns: ParquetColumns) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet's row groups, few at a time in memory."""
    for group in table.to_pylist():
        place = place_at(group["location"])
        with place.filesystem.open_input_file(place.path) as file:
            parquet = pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES)
            batches = parquet.iter_batches(
                batch_size=_rows_at_once(parquet.metadata.row_group(group["row_group"])),
                row_groups=[group["row_group"]],
                columns=[columns.id, columns.bytes],
            )
            for batch in batches:
                yield from batch.to_pylist()


def _rows_at_once(group: Any) -> int:
    """How many rows of a row group are read together, by their mean size."""
    mean = group.total_byte_size // max(1, group.num_rows)
    return int(max(1, min(NUM_ROWS_READ_AT_ONCE, BYTES_READ_AT_ONCE // max(1, mean))))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    if isinstance(error, MemoryError):
        return "there is not enough memory for a picture of this size"
    if isinstance(error, ImpastoError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read or written ({error.strerror})"
    return f"{type(error).__name__}: {text}"[:500]
