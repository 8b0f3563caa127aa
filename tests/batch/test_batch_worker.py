"""A worker by itself: tables in, files and rows out."""

import hashlib
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from impasto.batch.manifest import Manifest
from impasto.batch.source import ParquetColumns, list_items
from impasto.batch.storage import storage_path
from impasto.batch.worker import BatchSettings, Worker, open_transformation
from impasto.errors import ModelFileError
from impasto.runtime.stylizer import StyleSettings
from model_fixtures import make_card, make_model_file

COLUMNS = ParquetColumns(id="id", bytes="bytes")
STYLE = BatchSettings("style-transfer", precision="f32")

pytestmark = pytest.mark.usefixtures("without_grain")


@pytest.fixture
def output(tmp_path):
    return storage_path(str(tmp_path / "out"))


def worker(output, *, settings=STYLE, columns=None, done=(), model=None, may_replace=None):
    return Worker(
        model or make_model_file(),
        settings,
        output=output,
        columns=columns,
        done=frozenset(done),
        num_threads=1,
        may_replace=may_replace,
    )


def table_of(folder):
    items = list_items(storage_path(str(folder)), storage_path("/elsewhere"), picture_format=None)
    return pa.Table.from_pylist(
        [{"source": i.source, "location": i.location, "target": i.target} for i in items]
    )


def row_group_of(table, folder):
    """The only row group of a Parquet with this table."""
    pyarrow.parquet.write_table(table, folder / "in.parquet")
    return pa.table({"location": [str(folder / "in.parquet")], "row_group": [0]})


def encoded(colour, kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(file, kind)
    return file.getvalue()


def test_files_are_written_and_the_bad_one_is_a_row(output, pictures):
    rows = worker(output)(table_of(pictures)).to_pylist()
    assert [row["source"] for row in rows] == ["a.png", "below/b.png", "c.ppm", "d.jpg"]
    assert set(output.sizes()) == {"a.png", "below/b.png", "c.ppm.png"}
    for row in rows[:3]:
        data = output.inside(row["target"]).read(max_bytes=10**6)
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["num_bytes"], row["width"], row["height"]) == (len(data), 24, 16)
        assert row["error"] is None
    assert rows[3]["target"] == ""
    assert "not a picture that can be read" in rows[3]["error"]


def test_a_file_is_the_style_s(output, pictures):
    worker(output)(table_of(pictures))
    before = np.asarray(Image.open(pictures / "a.png"))
    after = np.asarray(Image.open(f"{output.path}/a.png"))
    assert np.array_equal(after, 255 - before)


def test_a_task_done_twice_leaves_the_same_files(output, pictures):
    first = worker(output)(table_of(pictures)).drop_columns(["seconds"])
    sizes = output.sizes()
    assert worker(output)(table_of(pictures)).drop_columns(["seconds"]) == first
    assert output.sizes() == sizes


def test_pictures_from_the_web_are_read(output, server):
    address = server.put("/a.png", encoded((10, 20, 30)))
    table = pa.table(
        {
            "source": ["a", "b"],
            "location": [address, f"{server.address}/none"],
            "target": ["a.png", "b.png"],
        }
    )
    good, missing = worker(output)(table).to_pylist()
    assert good["error"] is None
    assert "there is nothing there (404)" in missing["error"]


def test_a_parquet_s_pictures_become_files_by_their_ids(output, tmp_path):
    table = pa.table(
        {"id": ["x/1", "../2", "3", "4"], "bytes": [encoded((0, 0, 0))] * 2 + [None, b""]}
    )
    rows = worker(output, columns=COLUMNS, done=["4"])(row_group_of(table, tmp_path)).to_pylist()
    assert [row["source"] for row in rows] == ["x/1", "../2", "3"]
    assert [row["target"] for row in rows] == ["x/1.jpg", "", ""]
    assert "cannot be a file's name" in rows[1]["error"]
    assert "is empty" in rows[2]["error"]
    assert list(output.sizes()) == ["x/1.jpg"]


def test_a_parquet_becomes_a_part_that_is_named_after_what_it_holds(tmp_path):
    output = storage_path(str(tmp_path / "out.parquet"))
    structs = [{"bytes": encoded((0, 0, 0)), "path": "a"}, {"bytes": b"bad", "path": "b"}]
    table = pa.table({"id": [1, 2], "bytes": structs})
    rows = worker(output, columns=COLUMNS)(row_group_of(table, tmp_path)).to_pylist()
    assert worker(output, columns=COLUMNS)(row_group_of(table, tmp_path)).num_rows == 2
    (part,) = output.sizes()
    assert [row["target"] for row in rows] == [part, ""]
    held = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["id"], row["width"], row["height"]) for row in held] == [("1", 24, 16)]
    assert hashlib.sha256(held[0]["bytes"]).hexdigest() == rows[0]["sha256"]
    assert Image.open(io.BytesIO(held[0]["bytes"])).format == "JPEG"


def test_verifying_finds_what_has_changed_in_its_size(output, pictures):
    manifest = Manifest(output)
    manifest.begin({}, [], overwrite=False)
    for row in worker(output)(table_of(pictures)).to_pylist():
        manifest.add(_row(row))
    data = bytearray(output.inside("a.png").read(max_bytes=10**6))
    data[-1] ^= 1
    output.inside("a.png").write(bytes(data))
    kept = {"below/b.png", "c.ppm"}
    assert manifest.finished_sources(output.sizes(), verify=False) == kept | {"a.png"}
    assert manifest.finished_sources(output.sizes(), verify=True) == kept


def test_verifying_looks_into_parts(tmp_path):
    output = storage_path(str(tmp_path / "out.parquet"))
    manifest = Manifest(output, prefix="_")
    manifest.begin({}, [], overwrite=False)
    table = pa.table({"id": ["1", "2"], "bytes": [encoded((0, 0, 0)), encoded((9, 9, 9))]})
    for row in worker(output, columns=COLUMNS)(row_group_of(table, tmp_path)).to_pylist():
        manifest.add(_row(row))
    assert manifest.finished_sources(output.sizes(), verify=True) == {"1", "2"}
    part = output.inside(manifest.rows["1"].target)
    pyarrow.parquet.write_table(pa.table({"id": ["1"], "bytes": [b"other"]}), part.path)
    assert manifest.finished_sources(output.sizes(), verify=True) == set()


def _row(fields):
    from impasto.batch.manifest import ManifestRow

    return ManifestRow(**fields)


def test_a_super_resolution_model_enlarges(output, pictures):
    card = make_card(name="x2", task="super-resolution", scale=2)
    settings = BatchSettings("super-resolution", precision="f32")
    model = make_model_file(card=card, scale=2)
    rows = worker(output, settings=settings, model=model)(table_of(pictures)).to_pylist()
    assert (rows[0]["width"], rows[0]["height"]) == (48, 32)


def test_a_model_for_another_task_is_refused():
    with pytest.raises(ModelFileError, match="expected one for super-resolution"):
        open_transformation(make_model_file(), BatchSettings("super-resolution"), num_threads=1)


def test_files_that_are_none_of_the_batch_s_are_kept(output, pictures):
    worker(output)(table_of(pictures))
    own = output.sizes()
    for name in ("a.png", "c.ppm.png"):
        output.inside(name).write(b"somebody's")
    again = worker(output, may_replace=frozenset({"c.ppm.png"}))
    rows = again(table_of(pictures)).to_pylist()
    assert "a.png exists already and is none of this batch's; move it away" in rows[0]["error"]
    assert [row["error"] for row in rows[1:3]] == [None, None]  # the same as it is there, and ours
    assert output.sizes() == {**own, "a.png": len(b"somebody's")}


def test_what_cannot_be_read_is_a_row(output, tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.batch.worker.MAX_PICTURE_BYTES", 1000)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "large.png").write_bytes(bytes(1001))
    names = ["pipe.png", "large.png", "none.png", "/dev/zero", "https://[/x", "hf://[", "s3://[/x"]
    places = [name if ":" in name else str(tmp_path / name) for name in names]
    table = pa.table({"source": names, "location": places, "target": ["a.png"] * len(names)})
    errors = [row["error"] for row in worker(output)(table).to_pylist()]
    for error, said in zip(
        errors,
        ["a named pipe", "more than 1,000 bytes", "No such file", "a device", "https://"],
        strict=False,
    ):
        assert said in error
    assert all(error.isprintable() for error in errors)


def test_large_rows_of_a_parquet_are_read_one_by_one(output, tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.batch.worker.BYTES_READ_AT_ONCE", 1000)
    pictures = [encoded((shade, 0, 0)) for shade in range(5)]
    table = pa.table({"id": list("abcde"), "bytes": pictures})
    rows = worker(output, columns=COLUMNS)(row_group_of(table, tmp_path)).to_pylist()
    assert [row["source"] for row in rows] == list("abcde")
    assert [row["error"] for row in rows] == [None] * 5


def test_a_picture_is_read_no_larger_than_it_is_wanted(output, tmp_path):
    Image.new("RGB", (640, 480), (10, 20, 30)).save(tmp_path / "a.jpg")
    settings = BatchSettings("style-transfer", StyleSettings(size=32), "f32")
    place = str(tmp_path / "a.jpg")
    table = pa.table({"source": ["a"], "location": [place], "target": ["a.png"]})
    (row,) = worker(output, settings=settings)(table).to_pylist()
    assert (row["width"], row["height"]) == (32, 24)
