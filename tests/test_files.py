import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading

import pytest

from impasto.errors import OutputAppearedError
from impasto.files import (
    is_disk_full,
    portable_name,
    put_in_place,
    reason_of,
    reserve_file,
    temporary_beside,
    whole_file,
    write_whole,
)
from training_fixtures import files_of_at_most


def test_file_holds_what_was_written_and_is_alone(tmp_path):
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path):
    write_whole(tmp_path / "a", b"old")
    with (tmp_path / "a").open("rb") as reader:
        write_whole(tmp_path / "a", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_new_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o640)
    write_whole(tmp_path / "a", b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_link_keeps_pointing_where_it_did(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "a").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a"]


def test_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", b"old")
    with files_of_at_most(1000), pytest.raises(OSError, match="too large"):
        write_whole(tmp_path / "a", b"x" * 5000)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_failing_rename_leaves_nothing_behind(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a", b"new")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write_whole(tmp_path / "file" / "a", b"new")


def test_room_is_reserved_or_refused(tmp_path):
    reserve_file(tmp_path / "a", 5000)
    assert (tmp_path / "a").stat().st_size == 5000
    with pytest.raises(FileExistsError):
        reserve_file(tmp_path / "a", 1)
    with pytest.raises(OSError, match="No space left"):
        reserve_file(tmp_path / "b", 2**60)
    assert not (tmp_path / "b").exists()


# Nothing is replaced unasked


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["links", "no links"])
def disk(request, monkeypatch):
    """A disk with hard links, and one without."""

    def refuse(*_args, **_options):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("disk")
def test_a_file_that_appeared_is_kept_and_the_new_one_beside_it(tmp_path):
    write_whole(tmp_path / "a.png", b"first", replace=False)
    for number, name in enumerate(("a.new.png", "a.new-2.png")):
        with pytest.raises(OutputAppearedError) as appeared:
            write_whole(tmp_path / "a.png", b"late %d" % number, replace=False)
        assert appeared.value.saved_path == tmp_path / name
        assert str(appeared.value) == (
            f"{tmp_path}/a.png appeared meanwhile and was kept; "
            f"the finished work is in {tmp_path / name}"
        )
    assert contents(tmp_path) == {
        "a.png": b"first",
        "a.new.png": b"late 0",
        "a.new-2.png": b"late 1",
    }


@pytest.mark.usefixtures("disk")
def test_of_many_at_once_one_gets_the_name_and_none_is_lost(tmp_path):
    start = threading.Barrier(8)

    def write(number):
        start.wait()
        try:
            write_whole(tmp_path / "a", b"%d" % number, replace=False)
        except OutputAppearedError as appeared:
            places[number] = appeared.saved_path.name
        else:
            places[number] = "a"

    places = {}
    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path) == {name: b"%d" % number for number, name in places.items()}
    assert len(places) == 8


def test_a_rename_that_fails_without_links_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="not permitted"):
        write_whole(tmp_path / "a", b"new", replace=False)
    assert contents(tmp_path) == {}


def test_an_interruption_leaves_nothing(tmp_path):
    def write_half():
        with whole_file(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert contents(tmp_path) == {}


def test_a_link_to_nothing_is_written_through(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    write_whole(tmp_path / "link", b"new", replace=False)
    assert contents(tmp_path / "folder") == {"a": b"new"}
    with pytest.raises(OutputAppearedError, match=r"the finished work is in .*folder/a\.new"):
        write_whole(tmp_path / "link", b"late", replace=False)
    assert contents(tmp_path / "folder") == {"a": b"new", "a.new": b"late"}


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    "make", [os.mkfifo, make_socket, lambda path: path.symlink_to("/dev/null")]
)
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("by_link", [True, False])
def test_devices_pipes_and_sockets_are_never_replaced(
    tmp_path, make, replace, by_link, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = tmp_path / "special"
    make(path.relative_to(tmp_path) if make is make_socket else path)
    if by_link:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    before = path.lstat()
    temporary = temporary_beside(tmp_path / "x")
    with pytest.raises(OSError, match="it is a device, pipe or socket"):
        put_in_place(temporary, path, replace=replace)
    assert os.path.samestat(path.lstat(), before)
    assert temporary.exists()  # it is its maker's to remove


# A full disk


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room there"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full; make room there"),
        (ValueError(f"write error: {os.strerror(errno.ENOSPC)}\n"), "the disk is full; make room"),
        (OSError(errno.EFBIG, "File too large"), "File too large"),
        (ValueError("two\nlines"), "two lines"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_one_line_and_a_full_disk_is_called_that(error, reason):
    assert reason_of(error).startswith(reason)
    assert is_disk_full(error) == reason.startswith("the disk is full")


def test_a_full_disk_says_how_much_is_needed():
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert reason_of(error, num_bytes=3 * 2**19) == (
        "the disk is full, and 1.5 MiB are needed; make room there, or choose another place"
    )


def test_a_disk_that_is_full_is_told_of_and_left_as_it_was(tmp_path):
    code = (
        "import sys; from pathlib import Path; from impasto.files import *\n"
        "folder = Path(sys.argv[1]); write_whole(folder / 'a', b'old')\n"
        "try: write_whole(folder / 'a', bytes(2**20))\n"
        "except OSError as error: print(reason_of(error))\n"
        "print([(path.name, path.read_bytes()) for path in folder.iterdir()])"
    )
    done = on_small_disk(tmp_path, [sys.executable, "-c", code, str(tmp_path)])
    assert done.splitlines() == [
        "the disk is full; make room there, or choose another place",
        "[('a', b'old')]",
    ]


def on_small_disk(folder, command):
    """What a command prints while a disk of 64 KiB is mounted at a folder, for it alone."""
    mount = f'mount -t tmpfs -o size=64k none {folder} 2>/dev/null || exit 77; exec "$@"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not there")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("nothing may be mounted here")
    assert done.returncode == 0, done.stderr
    return done.stdout


# Names


@pytest.mark.parametrize(
    ("name", "on_windows"),
    [
        ("cat.png", "cat.png"),
        ("con.png", "con_.png"),
        ("NUL", "NUL_"),
        ("Com1.tar.png", "Com1_.tar.png"),
        ("console.png", "console.png"),
        ('a<b>:"|?*.png', "a_b______.png"),
        ("ends. .", "ends___"),
        ("tab\t.png", "tab_.png"),
    ],
)
def test_a_name_is_changed_for_windows_only(name, on_windows):
    assert portable_name(name, windows=True) == on_windows
    assert portable_name(name, windows=False) == name
