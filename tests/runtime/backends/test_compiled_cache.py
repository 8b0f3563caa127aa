import os
import stat

import numpy as np
import pytest

from impasto.runtime.backends.compiled_cache import (
    CachedFiles,
    cache_key,
    compiled_models_folder,
)
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from model_fixtures import make_model_bytes


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "compiled"


def files(folder):
    return sorted(folder.glob("*.compiled"))


def test_what_was_stored_is_read_back(folder):
    models = CachedFiles(folder)
    assert models.read("a") is None
    models.write("a", b"compiled")
    assert CachedFiles(folder).read("a") == b"compiled"


def test_keys_differ_with_every_part():
    assert len({cache_key(parts) for parts in ([1, 2], [2, 1], ["12"], [12])}) == 4


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 60])
def test_a_damaged_file_is_as_none(folder, damage):
    CachedFiles(folder).write("a", b"compiled")
    files(folder)[0].write_bytes(damage)
    assert CachedFiles(folder).read("a") is None


def test_the_least_recently_used_go_when_all_take_too_much(folder):
    models = CachedFiles(folder, max_bytes=3 * (10 + 32))
    for age, key in enumerate("abc"):
        models.write(key, b"0123456789")
        os.utime(folder / f"{key}.compiled", (1000 + age, 1000 + age))
    assert models.read("a") is not None  # and is used now
    models.write("d", b"0123456789")
    assert [path.name[0] for path in files(folder)] == ["a", "c", "d"]


def test_a_model_larger_than_the_cache_is_not_stored(folder):
    models = CachedFiles(folder, max_bytes=5)
    models.write("a", b"0123456789")
    assert models.read("a") is None


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    models = CachedFiles(tmp_path / "file" / "compiled")
    models.write("a", b"compiled")
    assert models.read("a") is None


def test_the_environment_turns_it_off_or_moves_it(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", "off")
    assert compiled_models_folder() is None
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    assert compiled_models_folder() == tmp_path / "compiled"
    monkeypatch.delenv("IMPASTO_CACHE")
    assert compiled_models_folder().name == "compiled"


def test_a_model_compiled_before_makes_the_same_picture(folder, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", str(folder.parent))
    data, batch = make_model_bytes(), np.random.default_rng(0).random((1, 3, 16, 20), np.float32)
    first = OpenVinoBackend(data, cache_compiled=True).run(batch)
    (stored,) = files(folder)
    os.utime(stored, (1000, 1000))
    np.testing.assert_array_equal(OpenVinoBackend(data, cache_compiled=True).run(batch), first)
    assert stored.stat().st_mtime > 1000  # it was read


@pytest.mark.parametrize("keep_digest", [True, False])
def test_what_openvino_cannot_import_is_compiled_again(folder, monkeypatch, keep_digest):
    monkeypatch.setenv("IMPASTO_CACHE", str(folder.parent))
    data, batch = make_model_bytes(), np.random.default_rng(0).random((1, 3, 16, 20), np.float32)
    first = OpenVinoBackend(data, cache_compiled=True).run(batch)
    (stored,) = files(folder)
    if keep_digest:
        CachedFiles(folder).write(stored.stem, b"of another build")
    else:
        stored.write_bytes(stored.read_bytes()[:-100])
    np.testing.assert_array_equal(OpenVinoBackend(data, cache_compiled=True).run(batch), first)


def test_only_the_first_shapes_are_stored(folder, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", str(folder.parent))
    backend = OpenVinoBackend(make_model_bytes(), cache_compiled=True)
    for size in range(16, 22):
        backend.run(np.zeros((1, 3, size, size), np.float32))
    assert len(files(folder)) == 4


def test_folder_and_files_are_their_users_alone(folder):
    CachedFiles(folder).write("a", b"compiled")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(folder)] == [0o600]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(folder, mode):
    CachedFiles(folder).write("a", b"compiled")
    folder.chmod(mode)
    models = CachedFiles(folder)
    assert models.read("a") is None
    models.write("b", b"compiled")
    assert [path.name for path in files(folder)] == ["a.compiled"]
    folder.chmod(0o755)
    assert models.read("a") == b"compiled"


def test_a_folder_of_somebody_else_is_not_used(folder):
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    CachedFiles(folder).write("a", b"compiled")
    os.chown(folder, 12345, 12345)
    models = CachedFiles(folder)
    assert models.read("a") is None
    models.write("b", b"compiled")
    assert [path.name for path in files(folder)] == ["a.compiled"]
