"""A worker of a batch: one compiled model, tables of pictures in, rows of the manifest out.

The files a worker writes depend on the pictures and the settings alone. So a task that is lost
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
from impasto.batch.storage import StoragePath, storage_path
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
"""Time limit of a download of one picture."""

NUM_ROWS_READ_AT_ONCE = 16
BYTES_READ_AT_ONCE = 2**28
"""Rows of a Parquet read together: at most that many, and fewer where they are large."""

_BUFFER_BYTES = 2**20
"""Buffer of a Parquet's reader. Without one, pyarrow reads a whole column of a row group."""

PART_NAME = re.compile(r"part-[0-9a-f]{24}\.parquet")
"""Name of a part of a Parquet; other files in its folder are none of ours."""

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
"""`ManifestRow` as the schema of a table."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How every picture is transformed and written.

    Attributes:
        task: the task of the model.
        style: how photographs are stylized; for style transfer.
        precision: arithmetic precision.
        quality: quality of JPEG and WebP, 1 to 100.
        picture_format: suffix of the results; None lets each picture's name decide.
    """

    task: Literal["style-transfer", "super-resolution"]
    style: StyleSettings = DEFAULT_STYLE
    precision: Precision = "auto"
    quality: int = 92
    picture_format: str | None = None

    def recorded(self) -> dict[str, Any]:
        """The settings as the manifest has them, on one level."""
        fields = asdict(self)
        return {"task": fields.pop("task"), **fields.pop("style"), **fields}


def open_transformation(
    model: ModelFile, settings: BatchSettings, *, num_threads: int | None
) -> Transformation:
    """The transformation of a batch, with its model opened.

    Raises:
        ModelFileError: the model is for another task, or cannot be opened.
    """
    num_workers = (os.cpu_count() or 1) // (num_threads or 1)  # on one machine, at most
    compute = Compute(
        precision=settings.precision,
        num_threads=num_threads,
        memory=memory_bytes("auto", num_processes=max(1, num_workers)),
    )
    if settings.task == "super-resolution":
        return Enlargement(Upscaler(model, compute))
    return Stylization(Stylizer(model, compute), settings.style)


class Worker:
    """Transforms tables: of sources, locations and targets, or of a Parquet's row groups.

    Args:
        model: a verified model file.
        settings: how pictures are transformed and written.
        output: the folder of the output.
        columns: columns of the input, if it is a Parquet.
        done: sources that are done already; for Parquets, whose rows are not planned.
        num_threads: number of threads of the model.
        may_replace: names of files in the output that may be replaced; None is all.
    """

    def __init__(
        self,
        model: ModelFile,
        settings: BatchSettings,
        *,
        output: StoragePath,
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
        """Write the results of a table of pictures; return their rows of the manifest."""
        works: Iterator[_Work]
        if self._columns is not None:
            works = (
                self._transformed(source, None, partial(bytes, data))
                for source, data in _pictures_of_groups(table, self._columns)
                if source not in self._done
            )
        else:
            works = (
                self._transformed(row["source"], row["target"], partial(_read, row["location"]))
                for row in table.to_pylist()
            )
        # One by one: the files of a table need not all be in memory, those of a part must.
        if self._output.path.endswith(PARQUET_SUFFIX):
            rows = self._write_part(list(works))
        else:
            rows = [self._write_file(work) for work in works]
        return pa.Table.from_pylist([asdict(row) for row in rows], schema=ROW_SCHEMA)

    def _transformed(self, source: str, target: str | None, read: Callable[[], bytes]) -> "_Work":
        """A picture read, transformed and encoded; or the error that ended it."""
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
        """Write the pictures as a part of a Parquet, named after their sources."""
        good = [work for work in works if work.error is None]
        # The same pictures give the same name: a task done again replaces its part.
        key = hashlib.sha256("\n".join(work.source for work in good).encode()).hexdigest()[:24]
        name = f"part-{key}{PARQUET_SUFFIX}"
        if good:
            part = pa.table(
                {
                    "id": [work.source for work in good],
                    # Offsets of 32 bits would end a part at 2 GiB.
                    "bytes": pa.array([work.data for work in good], pa.large_binary()),
                    "width": [work.width for work in good],
                    "height": [work.height for work in good],
                }
            )
            encoded = io.BytesIO()
            pyarrow.parquet.write_table(
                part, encoded, compression="none"
            )  # pictures are compressed already
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
    """A picture from its reading to its row of the manifest."""

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
    return storage_path(location).read(max_bytes=MAX_PICTURE_BYTES)


def _pictures_of_groups(table: pa.Table, columns: ParquetColumns) -> Iterator[tuple[str, bytes]]:
    """The ids and files in a Parquet's row groups, few at a time in memory."""
    for group in table.to_pylist():
        path = storage_path(group["location"])
        with path.filesystem.open_input_file(path.path) as file:
            parquet = pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES)
            metadata = parquet.metadata.row_group(group["row_group"])
            mean_bytes = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
            batches = parquet.iter_batches(
                batch_size=max(1, min(NUM_ROWS_READ_AT_ONCE, BYTES_READ_AT_ONCE // mean_bytes)),
                row_groups=[group["row_group"]],
                columns=[columns.id, columns.bytes],
            )
            for batch in batches:
                for row in batch.to_pylist():
                    value = row[columns.bytes]
                    data = value["bytes"] if isinstance(value, dict) else value
                    yield str(row[columns.id]), data or b""


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    if isinstance(error, MemoryError):
        return "there is not enough memory for a picture of this size"
    if isinstance(error, ImpastoError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read or written ({error.strerror})"
    return f"{type(error).__name__}: {text}"[:500]
