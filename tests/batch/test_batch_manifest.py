import json

import fsspec
import pytest

from impasto.batch import manifest as manifest_module
from impasto.batch.manifest import Manifest, ManifestRow
from impasto.batch.storage import storage_path
from impasto.errors import BatchError

SETTINGS = {"model": "abc", "size": None}


@pytest.fixture(params=["disk", "store"])
def output(request, tmp_path):
    """An empty folder on a disk, and in a store that cannot append."""
    yield storage_path("memory://bucket/out" if request.param == "store" else str(tmp_path / "out"))
    fsspec.filesystem("memory").store.clear()


def row(source, *, error=None, num_bytes=3):
    return ManifestRow(source, f"{source}.png", "0", num_bytes, 4, 5, 0.5, "here:1", error)


def begun(output, *, overwrite=False, **settings):
    manifest = Manifest(output)
    manifest.begin(SETTINGS | settings, output.sizes(), overwrite=overwrite)
    return manifest


def lines(output):
    text = output.inside("manifest.jsonl").read(max_bytes=10**6).decode()
    return [json.loads(line) for line in text.splitlines()]


def test_rows_become_one_file_at_the_end(output):
    manifest = begun(output)
    for source in ("a", "b", "é"):
        manifest.add(row(source))
        manifest.flush()
    assert len(output.sizes()) == 1 + 3
    manifest.finish()
    assert set(output.sizes()) == {"manifest.jsonl", "manifest.settings.json"}
    assert [line["source"] for line in lines(output)] == ["a", "b", "é"]
    assert lines(output)[0] == {
        **{"source": "a", "target": "a.png", "sha256": "0", "num_bytes": 3, "width": 4},
        **{"height": 5, "seconds": 0.5, "worker": "here:1", "error": None},
    }


def test_what_was_flushed_before_a_stop_is_known(output):
    stopped = begun(output)
    stopped.add(row("a"))
    stopped.flush()
    stopped.add(row("b"))  # and never flushed
    again = begun(output)
    assert list(again.rows) == ["a"]
    again.add(row("b"))
    again.flush()
    again.finish()
    assert [line["source"] for line in lines(output)] == ["a", "b"]


def test_a_later_row_takes_the_place_of_an_earlier_one(output):
    manifest = begun(output)
    manifest.add(row("a", error="no memory"))
    manifest.finish()
    again = begun(output)
    again.add(row("a"))
    again.finish()
    assert [line["error"] for line in lines(output)] == [None]


def test_only_files_that_are_there_in_their_size_are_kept(output):
    manifest = begun(output)
    for each in (row("good"), row("short"), row("gone"), row("failed", error="no picture")):
        manifest.add(each)
    sizes = {"good.png": 3, "short.png": 2, "failed.png": 3}
    assert manifest.finished_sources(sizes, verify=False) == {"good"}


def test_rows_are_flushed_by_number_and_time(output, monkeypatch):
    monkeypatch.setattr(manifest_module, "MAX_ROWS_OF_PART", 2)
    manifest = begun(output)
    for source in "abc":
        manifest.add(row(source))
    assert len(output.sizes()) == 1 + 1
    monkeypatch.setattr(manifest_module, "SECONDS_BETWEEN_PARTS", -1.0)
    manifest.add(row("d"))
    assert len(output.sizes()) == 1 + 2


def test_other_settings_are_refused_unless_all_is_begun_anew(output):
    manifest = begun(output)
    manifest.add(row("a"))
    manifest.flush()
    with pytest.raises(BatchError, match=r"made with other settings \(size: None, now 64\)"):
        begun(output, size=64)
    assert begun(output, size=64, overwrite=True).rows == {}
    assert set(output.sizes()) == {"manifest.settings.json"}


def test_a_manifest_that_is_not_ours_is_refused(output):
    begun(output).finish()
    output.inside("manifest.jsonl").write(b'{"picture": 1}\n')
    with pytest.raises(BatchError, match="is no manifest of ours"):
        begun(output)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b" " * (2**20 + 1), b'"model"'],
)
@pytest.mark.parametrize("name", ["manifest.settings.json", "manifest.jsonl"])
def test_damaged_manifests_are_one_line(output, name, content):
    begun(output).finish()
    if name == "manifest.jsonl" and not content.strip():
        content = b"0\n"
    output.inside(name).write(content)
    with pytest.raises(BatchError, match="no manifest of ours, or damaged") as raised:
        begun(output)
    assert str(raised.value).isprintable()
    assert begun(output, overwrite=True).rows == {}


@pytest.mark.parametrize(
    "change", [{"source": []}, {"target": 1}, {"num_bytes": "3"}, {"error": {}}, {"sha256": 1}]
)
def test_rows_with_values_of_another_kind_are_one_line(output, change):
    manifest = begun(output)
    manifest.add(row("a"))
    manifest.finish()
    (line,) = lines(output)
    output.inside("manifest.jsonl").write(json.dumps(line | change).encode())
    with pytest.raises(BatchError, match="no manifest of ours, or damaged"):
        begun(output)


def test_files_that_are_named_like_parts_are_left_alone(output):
    for name in ("manifest.part-x.jsonl", "manifest.part-00000001.jsonl.bak"):
        output.inside(name).write(b"mine")
    manifest = begun(output)
    manifest.add(row("a"))
    manifest.finish()
    assert "manifest.part-x.jsonl" in output.sizes()
