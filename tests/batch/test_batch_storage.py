import pickle

import fsspec
import pytest

from impasto.batch.storage import storage_path
from impasto.errors import BatchError


@pytest.fixture(params=["disk", "file://", "store"])
def folder(request, tmp_path):
    """An empty folder on a disk, by path and address, and in a store as fsspec has them."""
    if request.param == "store":
        yield storage_path("memory://bucket/folder")
        fsspec.filesystem("memory").store.clear()
    else:
        prefix = "file://" if request.param == "file://" else ""
        yield storage_path(f"{prefix}{tmp_path}/folder")


def test_what_is_written_is_read_listed_and_deleted(folder):
    assert folder.sizes() == {}
    folder.inside("a/b.png").write(b"12345")
    folder.inside("c.txt").write(b"1")
    assert folder.sizes() == {"a/b.png": 5, "c.txt": 1}
    assert folder.pictures() == ["a/b.png"]
    assert storage_path(folder.inside("a/b.png").name).read(max_bytes=10**6) == b"12345"
    assert folder.is_folder
    assert folder.inside("c.txt").is_file
    folder.inside("c.txt").delete()
    folder.inside("c.txt").delete()
    assert folder.sizes() == {"a/b.png": 5}


def test_a_place_on_a_disk_goes_to_other_processes(tmp_path):
    place = pickle.loads(pickle.dumps(storage_path(str(tmp_path))))
    place.inside("a").write(b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_query_stays_behind_the_name():
    place = storage_path("s3://bucket/folder?region=eu-west-1")
    assert place.path == "bucket/folder"
    assert place.inside("a.png").name == "s3://bucket/folder/a.png?region=eu-west-1"
    assert place.inside("a.png").path == "bucket/folder/a.png"


@pytest.mark.parametrize("name", ["", "nowhere://a/b", "file://[/x", "x://", "file://server/x"])
def test_an_unknown_kind_of_place_is_refused(name):
    with pytest.raises(BatchError, match=r"a name is empty|no such kind of URL is known"):
        storage_path(name)


@pytest.mark.parametrize("name", ["http://[/x", "https://ex\u2100mple/x", "s3://[/x"])
def test_an_address_whose_server_is_none_is_one_line(name):
    with pytest.raises((BatchError, OSError)) as raised:
        storage_path(name).inside("a.png").write(b"")
    assert str(raised.value).isprintable()
    with pytest.raises((BatchError, OSError)):
        storage_path(name).read(max_bytes=10)
