"""`impasto batch` as far as it comes without Ray: whatever is refused, and nothing left to do."""

import json
import os

import pytest

from impasto.batch.manifest import Manifest, ManifestRow
from impasto.batch.storage import storage_path
from impasto.system.work_files import alone_in


@pytest.fixture
def folder(tmp_path, photo):
    """A folder with one photograph."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "photo.png")
    return folder


@pytest.fixture
def batch(impasto, folder, tiny_model_path, tmp_path):
    """Calls the command on the folder."""

    def call(*words, source=folder, output=tmp_path / "out", style=("-s", tiny_model_path)):
        return impasto("batch", source, "-o", output, *style, *words)

    return call


@pytest.mark.parametrize(
    ("words", "style", "said"),
    [
        ([], [], "either --style STYLE"),
        (["--model", "sharp"], ["-s", "udnie"], "either --style STYLE"),
        (["--scale", "2"], ["-s", "udnie"], "--scale is for upscaling"),
        (["--workers", "0"], ["-s", "udnie"], "--workers"),
        (["--format", "psd"], ["-s", "udnie"], "--format"),
        ([], ["-s", "unknown_style"], "there is no model 'unknown_style'"),
    ],
)
def test_a_wrong_command_line_is_one_line(batch, tmp_path, words, style, said):
    assert said in batch(*words, style=style).complaint
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_as_it_must_be_is_one_line(batch, folder, tmp_path):
    assert "is not there" in batch(source=tmp_path / "none").complaint
    assert "is a single picture" in batch(source=folder / "photo.png").complaint
    assert "is the input itself" in batch(output=folder).complaint
    assert "is a file" in batch(output=folder / "photo.png").complaint


def test_what_is_done_is_not_done_again(batch, folder, tmp_path, tiny_model_path):
    """A manifest as an earlier call leaves it; with nothing to do Ray is not started."""
    done_before(tmp_path / "out", tiny_model_path)
    done = batch("--json")
    assert done.status == 0, done
    assert json.loads(done.stdout) == {
        "manifest": str(tmp_path / "out" / "manifest.jsonl"),
        "done": 0,
        "skipped": 1,
        "failed": [],
    }
    assert "made with other settings (size: None, now 64)" in batch("--size", "64").complaint


def done_before(output, model, *, prefix=""):
    from impasto.batch.worker import BatchSettings
    from impasto.zoo.model_file import read_model_file

    settings = BatchSettings("style-transfer").recorded()
    manifest = Manifest(storage_path(str(output)), prefix=prefix)
    manifest.begin({**settings, "model": read_model_file(model).sha256}, [], overwrite=False)
    (output / "photo.png").write_bytes(b"12345")
    row = ManifestRow("photo.png", "photo.png", "0", 5, 24, 16, 0.1, "here:1", None)
    manifest.add(row)
    manifest.finish()


def test_a_second_batch_into_a_folder_is_refused(batch, tmp_path):
    with alone_in(tmp_path / "out"):
        assert "another batch is going on in" in batch().complaint
    assert not (tmp_path / "out").exists()


def test_only_parts_of_its_own_are_deleted_from_a_parquet(batch, folder, tmp_path, tiny_model_path):
    output = tmp_path / "out.parquet"
    done_before(output, tiny_model_path, prefix="_")
    stray, foreign = output / f"part-{'0' * 24}.parquet", output / "part-0.parquet"
    for path in (stray, foreign):
        path.write_bytes(b"somebody's")
    assert batch(output=output).status == 0
    assert foreign.exists()
    assert not stray.exists()


def test_a_list_of_which_nothing_is_left_to_do_notes_its_bad_lines(
    batch, folder, tmp_path, tiny_model_path
):
    done_before(tmp_path / "out", tiny_model_path)
    (folder / "list.txt").write_text("photo.png\nhttps://[/x\n../y.png\n")
    outcome = batch(source=folder / "list.txt")
    assert outcome.status == 1
    assert outcome.stderr.count("expected paths and addresses of pictures") == 2
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == [
        *("photo.png", "https://[/x", "../y.png"),
    ]


@pytest.mark.parametrize("name", ["list.txt", "in.parquet"])
def test_a_pipe_is_no_batch(batch, tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "a named pipe, not a file" in batch(source=tmp_path / name).complaint
    assert "a named pipe, not a file" in batch(output=tmp_path / name).complaint
