"""A batch from its beginning to its end: pictures done before, workers, manifest.

The same code runs on a laptop and on a cluster. Starting Ray: `cluster`. One worker: `worker`.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from impasto.batch.cluster import MAX_TASK_RETRIES, RayWorker, Workers, check_workers, running_ray
from impasto.batch.manifest import Manifest, ManifestRow
from impasto.batch.source import (
    PARQUET_SUFFIX,
    Item,
    ParquetColumns,
    RowGroup,
    find_columns,
    is_parquet,
    list_items,
    list_row_groups,
)
from impasto.batch.storage import StoragePath, storage_path
from impasto.batch.worker import PART_NAME, BatchSettings, Worker, open_transformation
from impasto.errors import BatchError
from impasto.files import reason_of
from impasto.system.visible_text import one_line
from impasto.system.work_files import refuse_second_run
from impasto.zoo.model_file import ModelFile

MAX_ROWS_OF_TASK = 64
"""Pictures of a task: a lost worker costs the time of a task or two."""

TASKS_PER_WORKER = 8
"""Fewest tasks for each worker where there are enough pictures, so that all end together."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """The progress of a batch.

    Attributes:
        num_done: pictures done by this call.
        num_failed: pictures that failed.
        num_pictures: pictures to do in all.
        row: the row of the last picture.
    """

    num_done: int
    num_failed: int
    num_pictures: int
    row: ManifestRow


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of a batch.

    Attributes:
        num_done: pictures done by this call.
        num_skipped: pictures done by earlier calls.
        failed: rows of the pictures that failed.
        manifest: path or URL of the manifest.
    """

    num_done: int
    num_skipped: int
    failed: list[ManifestRow]
    manifest: str


def run_batch(
    source: str,
    output: str,
    model: ModelFile,
    settings: BatchSettings,
    *,
    workers: Workers | None = None,
    id_column: str | None = None,
    bytes_column: str | None = None,
    overwrite: bool = False,
    verify: bool = False,
    on_progress: Callable[[BatchProgress], None] | None = None,
    on_special: Callable[[Path, str], None] | None = None,
) -> BatchOutcome:
    """Transform all pictures of a folder, a list or a Parquet that are not done yet.

    Args:
        source: path or URL of the pictures.
        output: path or URL of a folder, or of a Parquet (a name that ends in `.parquet`).
        model: a verified model file.
        settings: how pictures are transformed and written.
        workers: the workers; None is one per core of this machine.
        id_column: column of a Parquet that names its pictures.
        bytes_column: column of a Parquet that holds its pictures.
        overwrite: begin anew, and replace files that exist.
        verify: read the results of earlier calls and compare checksums; else a file of the
            expected size counts as done.
        on_progress: called after each picture.
        on_special: called for pipes, devices and sockets in a folder, which are left out.

    Raises:
        BatchError: the input or output cannot be used, or Ray cannot be started or found.
        ModelFileError: the model cannot be opened.
    """
    workers = workers or Workers()
    check_workers(workers)
    # A model that cannot be opened fails here at once, not in every worker.
    open_transformation(model, settings, num_threads=workers.num_threads)
    batch = _Batch(storage_path(source), storage_path(output), model, settings, workers)
    batch.plan(id_column=id_column, bytes_column=bytes_column, on_special=on_special)
    with _alone_in(batch.output):
        batch.skip_done(overwrite=overwrite, verify=verify)
        batch.add_refused()
        if batch.num_todo:
            with running_ray(workers) as num_workers:
                batch.run(num_workers, on_progress)
        return batch.finish()


@contextlib.contextmanager
def _alone_in(output: StoragePath) -> Iterator[None]:
    """Refuse a second batch into a folder of this machine; buckets have no locks."""
    if not output.is_local:
        yield
        return

    def unwritable(error: OSError) -> BatchError:
        return BatchError(f"{output.name} cannot be written to ({reason_of(error)})")

    folder = Path(output.path)
    with refuse_second_run(folder, work="batch", refusal=BatchError, unwritable=unwritable):
        yield


class _Batch:
    """The state of a running batch, on the machine that started it."""

    def __init__(
        self,
        source: StoragePath,
        output: StoragePath,
        model: ModelFile,
        settings: BatchSettings,
        workers: Workers,
    ) -> None:
        self.source, self.output = source, output
        self.model, self.settings, self.workers = model, settings, workers
        self.columns: ParquetColumns | None = None
        self.items: list[Item] = []
        self.refused: list[Item] = []
        self.row_groups: list[RowGroup] = []
        self.num_todo = 0
        self.done: set[str] = set()
        self.seen: set[str] = set()
        self.may_replace: frozenset[str] | None = None
        self.num_done, self.num_skipped = 0, 0
        self.failed: dict[str, ManifestRow] = {}
        self.writes_parquet = output.path.endswith(PARQUET_SUFFIX)
        self.manifest = Manifest(output, prefix="_" if self.writes_parquet else "")

    def plan(
        self,
        *,
        id_column: str | None,
        bytes_column: str | None,
        on_special: Callable[[Path, str], None] | None,
    ) -> None:
        """Find the pictures, or the columns that hold them."""
        for path in (self.source, self.output):
            if (kind := path.special_kind) is not None:
                raise BatchError(
                    f"{path.name} is {kind}, not a file; expected a folder, a list or a Parquet"
                )
        if self.output.is_file:
            raise BatchError(f"{self.output.name} is a file; expected a folder, or OUT.parquet")
        if self.output.path == self.source.path:
            raise BatchError(f"{self.output.name} is the input itself; choose another output")
        try:
            if is_parquet(self.source):
                self.columns = find_columns(
                    self.source, id_column=id_column, bytes_column=bytes_column
                )
                self.row_groups, self.num_todo = list_row_groups(self.source)
            else:
                items = list_items(
                    self.source,
                    self.output,
                    picture_format=self.settings.picture_format,
                    on_special=on_special,
                )
                self.items = [item for item in items if item.error is None]
                self.refused = [item for item in items if item.error is not None]
        except OSError as error:
            reason = one_line(error, max_letters=200)
            raise BatchError(f"{self.source.name} cannot be read ({reason})") from None

    def skip_done(self, *, overwrite: bool, verify: bool) -> None:
        """Leave out the pictures of earlier calls whose files still exist."""
        # One listing of all, as each question to an object store is a request.
        sizes = self.output.sizes()
        settings = {**self.settings.recorded(), "model": self.model.sha256}
        self.manifest.begin(settings, sizes, overwrite=overwrite)
        self.done = self.manifest.finished_sources(sizes, verify=verify)
        if not overwrite:
            # A file that no row names is not ours, and is kept.
            rows = self.manifest.rows.values()
            self.may_replace = frozenset(row.target for row in rows if row.source not in self.done)
        self._delete_stray_parts(sizes)
        if self.columns is None:
            todo = [item for item in self.items if item.source not in self.done]
            self.num_skipped = len(self.items) - len(todo)
            self.items, self.num_todo = todo, len(todo)
        else:
            self.num_skipped = len(self.done)
            self.num_todo -= self.num_skipped

    def add_refused(self) -> None:
        """Add the rows of pictures that cannot be transformed, which takes no workers."""
        for item in self.refused:
            self._add(_row_of_failed(item.source, item.error or ""))
        self.manifest.flush()

    def run(self, num_workers: int, on_progress: Callable[[BatchProgress], None] | None) -> None:
        """Let the workers do the remaining pictures, and add their rows."""
        try:
            for row in self._rows(num_workers):
                self._add(row)
                if on_progress is not None:
                    num_failed = len(self.failed)
                    num_pictures = self.num_todo + len(self.refused)
                    on_progress(BatchProgress(self.num_done, num_failed, num_pictures, row))
        finally:  # Ctrl-C too: the next call goes on from these rows
            self.manifest.flush()

    def finish(self) -> BatchOutcome:
        """Write the manifest as one file; return the outcome."""
        self.manifest.finish()
        self._delete_stray_parts(self.output.sizes())
        return BatchOutcome(
            num_done=self.num_done,
            num_skipped=self.num_skipped,
            failed=list(self.failed.values()),
            manifest=self.output.inside(self.manifest.name).name,
        )

    def _rows(self, num_workers: int) -> Iterator[ManifestRow]:
        # Nobody knows a Parquet's ids before its rows are read: pictures of a lost task would be
        # missing without a line, so such a task ends the batch.
        if self.columns is not None:
            tasks = _tasks_of(self.row_groups, rows_of_task=1, may_lose=False)
            yield from self._transform(tasks, num_workers)
            return
        share = len(self.items) // (num_workers * TASKS_PER_WORKER)
        # In the second pass only the pictures that ended their workers, one by one.
        for rows_of_task in (max(1, min(share, MAX_ROWS_OF_TASK)), 1):
            remaining = [item for item in self.items if item.source not in self.seen]
            if remaining:
                tasks = _tasks_of(remaining, rows_of_task=rows_of_task, may_lose=True)
                yield from self._transform(tasks, num_workers)
        for item in self.items:
            if item.source not in self.seen:
                yield _row_of_failed(
                    item.source,
                    "each worker that transformed it died; is there enough memory for it?",
                )

    def _transform(self, dataset: Any, num_workers: int) -> Iterator[ManifestRow]:
        import ray
        from ray.data import ActorPoolStrategy

        make_worker = partial(
            Worker,
            self.model,
            self.settings,
            output=self.output,
            columns=self.columns,
            done=frozenset(self.done) if self.columns is not None else frozenset(),
            num_threads=self.workers.num_threads,
            may_replace=self.may_replace,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray has no other name for max_task_retries yet
            # A block is a task (batch_size None). Workers start again without limit, since other
            # pictures wait for them; the limit is on the tries of one task.
            transformed = dataset.map_batches(
                RayWorker,
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=num_workers),
                num_cpus=self.workers.num_threads,
                max_restarts=-1,
                max_task_retries=MAX_TASK_RETRIES,
                fn_constructor_args=([ray.put(make_worker)],),
            )
        for table in transformed.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        ):
            for row in table.to_pylist():
                yield ManifestRow(**row)

    def _add(self, row: ManifestRow) -> None:
        if row.source in self.seen:
            self.failed[row.source] = _row_of_failed(
                row.source,
                "its id is there more than once; give each picture an id of its own",
                worker=row.worker,
            )
            self.manifest.add(self.failed[row.source])
            return
        self.seen.add(row.source)
        self.manifest.add(row)
        if row.error is None:
            self.num_done += 1
        else:
            self.failed[row.source] = row

    def _delete_stray_parts(self, sizes: dict[str, int]) -> None:
        """Delete parts of a Parquet that no row names: their workers were stopped."""
        if not self.writes_parquet:
            return
        known = {row.target for row in self.manifest.rows.values()}
        for name in sizes:
            if PART_NAME.fullmatch(name) and name not in known:
                self.output.inside(name).delete()


def _tasks_of(items: Sequence[Item | RowGroup], *, rows_of_task: int, may_lose: bool) -> Any:
    """A dataset of Ray with one block for each task.

    Args:
        items: pictures, or row groups of a Parquet.
        rows_of_task: number of items in a task.
        may_lose: go on without a task that fails for good; else it ends the batch.
    """
    import ray.data

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1 if may_lose else 0
    rows = [asdict(item) for item in items]
    starts = range(0, len(rows), rows_of_task)
    return ray.data.from_arrow(
        [pa.Table.from_pylist(rows[start : start + rows_of_task]) for start in starts]
    )


def _row_of_failed(source: str, error: str, *, worker: str = "") -> ManifestRow:
    return ManifestRow(
        source=source,
        target="",
        sha256=None,
        num_bytes=0,
        width=0,
        height=0,
        seconds=0.0,
        worker=worker,
        error=error,
    )
