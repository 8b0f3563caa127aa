"""A batch from its beginning to its end: what is done already, the workers, the manifest.

The same code runs on a laptop and on a cluster; which of them is for `impasto.batch.cluster`.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from impasto.batch.cluster import MAX_TASK_RETRIES, RayPainter, Workers, check_workers, running_ray
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
from impasto.batch.storage import Place, place_at
from impasto.batch.worker import PART_NAME, Painter, PaintSettings, open_model
from impasto.errors import BatchError
from impasto.files import reason_of
from impasto.system.visible_text import one_line
from impasto.system.work_files import refuse_second_run
from impasto.zoo.model_file import ModelFile

MAX_ROWS_OF_TASK = 64
"""What a lost worker costs: the pictures of a task or two are done again."""

TASKS_PER_WORKER = 8
"""At least so many for each worker where there are enough pictures, so that all end together."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        num_done: pictures made by this call.
        num_failed: pictures that could not be.
        num_pictures: there are to do.
        row: the last one.
    """

    num_done: int
    num_failed: int
    num_pictures: int
    row: ManifestRow


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch has come to.

    Attributes:
        num_done: pictures made by this call.
        num_skipped: pictures that were done before.
        failed: rows of those that could not be.
        manifest: where it is.
    """

    num_done: int
    num_skipped: int
    failed: list[ManifestRow]
    manifest: str


def run_batch(
    source: str,
    output: str,
    model: ModelFile,
    settings: PaintSettings,
    *,
    workers: Workers | None = None,
    id_column: str | None = None,
    bytes_column: str | None = None,
    overwrite: bool = False,
    verify: bool = False,
    on_progress: Callable[[BatchProgress], None] | None = None,
    on_special: Callable[[Path, str], None] | None = None,
) -> BatchOutcome:
    """Work on all pictures of a folder, a list or a Parquet that are not done yet.

    Args:
        source: where the pictures are.
        output: a folder, or a Parquet (a name that ends in `.parquet`).
        model: a verified model.
        settings: what to do to each.
        workers: who does it.
        id_column: of a Parquet, what its pictures are called.
        bytes_column: of a Parquet, its pictures.
        overwrite: begin anew, whatever is there.
        verify: read what was done before, and compare checksums; else a file that is there in
            the right size counts as done.
        on_progress: told of each picture.
        on_special: told of pipes, devices and sockets in a folder, which are passed over.

    Raises:
        BatchError: the input or output is not as it must be, or there is no Ray to work on.
        ModelFileError: the model cannot be opened.
    """
    workers = workers or Workers()
    check_workers(workers)
    open_model(model, settings, num_threads=workers.num_threads)  # or fail here, at once
    batch = _Batch(place_at(source), place_at(output), model, settings, workers)
    batch.plan(id_column=id_column, bytes_column=bytes_column, on_special=on_special)
    with _alone_in(batch.output):
        batch.skip_what_is_done(overwrite=overwrite, verify=verify)
        batch.note_refused()
        if batch.num_todo:
            with running_ray(workers) as num_workers:
                batch.run(num_workers, on_progress)
        return batch.finish()


@contextlib.contextmanager
def _alone_in(output: Place) -> Iterator[None]:
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
    """The state of a batch under way, on the machine that drives it."""

    def __init__(
        self,
        source: Place,
        output: Place,
        model: ModelFile,
        settings: PaintSettings,
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
        for place in (self.source, self.output):
            if (kind := place.special_kind) is not None:
                raise BatchError(
                    f"{place.name} is {kind}, not a file; expected a folder, a list or a Parquet"
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

    def skip_what_is_done(self, *, overwrite: bool, verify: bool) -> None:
        """Leave out the pictures that an earlier call has made and that are still there."""
        sizes = self.output.sizes()
        settings = {**asdict(self.settings), "model": self.model.sha256}
        self.manifest.begin(settings, sizes, overwrite=overwrite)
        self.done = self.manifest.kept(sizes, verify=verify)
        if not overwrite:
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

    def note_refused(self) -> None:
        """Note what cannot be worked on, which takes no workers."""
        for item in self.refused:
            self._note(_row_of_failed(item, item.error or ""))
        self.manifest.flush()

    def run(self, num_workers: int, on_progress: Callable[[BatchProgress], None] | None) -> None:
        """Let the workers do what is left, and note what they say."""
        try:
            for row in self._rows(num_workers):
                self._note(row)
                if on_progress is not None:
                    num_failed = len(self.failed)
                    num_pictures = self.num_todo + len(self.refused)
                    on_progress(BatchProgress(self.num_done, num_failed, num_pictures, row))
        finally:
            self.manifest.flush()

    def finish(self) -> BatchOutcome:
        """Write the manifest whole, and say what it has come to."""
        self.manifest.finish()
        self._delete_stray_parts(self.output.sizes())
        return BatchOutcome(
            num_done=self.num_done,
            num_skipped=self.num_skipped,
            failed=list(self.failed.values()),
            manifest=self.output.inside(self.manifest.name).name,
        )

    def _rows(self, num_workers: int) -> Iterator[ManifestRow]:
        if self.columns is not None:
            tasks = _tasks_of(self.row_groups, rows_of_task=1, may_lose=False)
            yield from self._paint(tasks, num_workers)
            return
        share = len(self.items) // (num_workers * TASKS_PER_WORKER)
        for rows_of_task in (max(1, min(share, MAX_ROWS_OF_TASK)), 1):
            left = [item for item in self.items if item.source not in self.seen]
            if left:  # a second time only what brought down its workers, one by one
                tasks = _tasks_of(left, rows_of_task=rows_of_task, may_lose=True)
                yield from self._paint(tasks, num_workers)
        for item in self.items:
            if item.source not in self.seen:
                yield _row_of_lost(item)

    def _paint(self, dataset: Any, num_workers: int) -> Iterator[ManifestRow]:
        import ray
        from ray.data import ActorPoolStrategy

        recipe = partial(
            Painter,
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
            painted = dataset.map_batches(
                RayPainter,
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=num_workers),
                num_cpus=self.workers.num_threads,
                max_restarts=-1,
                max_task_retries=MAX_TASK_RETRIES,
                fn_constructor_args=([ray.put(recipe)],),
            )
        for table in painted.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        ):
            for row in table.to_pylist():
                yield ManifestRow(**row)

    def _note(self, row: ManifestRow) -> None:
        if row.source in self.seen:
            self.failed[row.source] = _row_of_twice(row)
            self.manifest.add(self.failed[row.source])
            return
        self.seen.add(row.source)
        self.manifest.add(row)
        if row.error is None:
            self.num_done += 1
        else:
            self.failed[row.source] = row

    def _delete_stray_parts(self, sizes: dict[str, int]) -> None:
        """Delete parts of a Parquet that no row speaks of: whoever wrote them was stopped."""
        if not self.writes_parquet:
            return
        known = {row.target for row in self.manifest.rows.values()}
        for name in sizes:
            if PART_NAME.fullmatch(name) and name not in known:
                self.output.inside(name).delete()


def _tasks_of(items: Sequence[Item | RowGroup], *, rows_of_task: int, may_lose: bool) -> Any:
    """The items as Ray has them, so many for each task.

    Args:
        items: of one kind.
        rows_of_task: how many go together.
        may_lose: go on without a task that fails for good, in place of ending.
    """
    import ray.data

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1 if may_lose else 0
    rows = [asdict(item) for item in items]
    starts = range(0, len(rows), rows_of_task)
    return ray.data.from_arrow(
        [pa.Table.from_pylist(rows[start : start + rows_of_task]) for start in starts]
    )


def _row_of_lost(item: Item) -> ManifestRow:
    return _row_of_failed(
        item, "whoever worked on it died each time; is there enough memory for it?"
    )


def _row_of_failed(item: Item, error: str) -> ManifestRow:
    return ManifestRow(item.source, "", None, 0, 0, 0, 0.0, "", error)


def _row_of_twice(row: ManifestRow) -> ManifestRow:
    error = "its id is there more than once; give each picture an id of its own"
    return ManifestRow(row.source, "", None, 0, 0, 0, 0.0, row.worker, error)
