import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from impasto.errors import DataError, TrainingError
from impasto.system.work_files import (
    PREFIX,
    new_work_file,
    only_one,
    refuse_second_run,
    release,
    remove_work,
    sweep,
    work_folder,
)

MAKER = """
import sys
from pathlib import Path
from impasto.system.work_files import new_work_file, only_one, work_folder
folder = Path(sys.argv[1])
with work_folder(folder) as place, only_one(folder / "lock") as is_alone:
    (place / "inside").mkdir()
    (place / "inside" / "big").write_bytes(bytes(1000))
    print(is_alone, new_work_file(folder).name, place.name, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def maker(folder):
    """A process that has made a work file, a work folder and a lock, and the names of the two."""
    command = [sys.executable, "-c", MAKER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        is_alone, *names = process.stdout.readline().split()
        assert is_alone == "True"
        try:
            yield process, names
        finally:
            process.kill()


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_left_is_swept_and_what_a_live_one_has_is_not(tmp_path):
    with maker(tmp_path) as (live, kept), maker_killed(tmp_path) as left:
        assert names_in(tmp_path) >= {*kept, *left}
        sweep(tmp_path)
        assert names_in(tmp_path) == {*kept, "lock"}
        assert live.poll() is None


@contextlib.contextmanager
def maker_killed(folder):
    (folder / "lock").rename(folder / "other lock")
    with maker(folder) as (process, names):
        process.send_signal(signal.SIGKILL)
        process.wait()
        (folder / "lock").unlink()
        (folder / "other lock").rename(folder / "lock")
        yield names


def test_the_first_work_file_in_a_folder_sweeps_it(tmp_path):
    with maker(tmp_path) as (process, left):
        process.kill()
        process.wait()
    assert names_in(tmp_path) == {*left, "lock"}
    with work_folder(tmp_path) as mine:
        assert names_in(tmp_path) == {mine.name, "lock"}
    assert names_in(tmp_path) == {"lock"}


def test_only_plain_files_of_this_machine_and_user_are_swept(tmp_path):
    another_machine = ".impasto-00000000-1234.tmp"
    (tmp_path / another_machine).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path)
    (tmp_path / ".impasto.lock").touch()
    stray, theirs = tmp_path / f"{PREFIX}stray.tmp", tmp_path / f"{PREFIX}theirs.tmp"
    stray.touch()
    kept = {another_machine, f"{PREFIX}link", ".impasto.lock"}
    if os.geteuid() == 0:
        theirs.touch()
        os.chown(theirs, 12345, 12345)
        kept |= {theirs.name}
    sweep(tmp_path)
    assert names_in(tmp_path) == kept


def test_a_missing_folder_is_swept_in_silence_and_cannot_be_worked_in(tmp_path):
    sweep(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        new_work_file(tmp_path / "none")
    with pytest.raises(FileNotFoundError), work_folder(tmp_path / "none"):
        pass


def test_a_work_file_is_hidden_empty_and_held_until_it_is_released(tmp_path):
    path = new_work_file(tmp_path, mode=0o600)
    assert (path.name[0], path.stat().st_size, path.stat().st_mode & 0o777) == (".", 0, 0o600)
    sweep(tmp_path)
    assert path.exists()
    release(path)
    sweep(tmp_path)
    assert not path.exists()


def test_a_work_folder_is_private_and_gone_after_an_error(tmp_path):
    def work():
        with work_folder(tmp_path) as place:
            assert place.stat().st_mode & 0o777 == 0o700
            (place / "a").write_bytes(b"a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert names_in(tmp_path) == set()


def test_removing_twice_does_no_harm(tmp_path):
    path = new_work_file(tmp_path)
    remove_work(path)
    remove_work(path)
    assert names_in(tmp_path) == set()


def test_many_threads_at_once_lose_nothing(tmp_path):
    def work():
        for _ in range(50):
            with work_folder(tmp_path) as place:
                (place / "a").touch()
                sweep(tmp_path)
                if not (place / "a").exists():
                    lost.append(place)

    lost = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert names_in(tmp_path) == set()


def test_a_lock_is_held_by_one_and_leaves_no_file(tmp_path):
    lock = tmp_path / "lock"
    with only_one(lock) as first, only_one(lock) as second:
        assert (first, second) == (True, False)
    with only_one(lock) as again:
        assert again
    assert names_in(tmp_path) == set()


def refused(folder):
    return refuse_second_run(
        folder, work="dance", refusal=TrainingError, unwritable=lambda e: DataError(str(e))
    )


def test_a_second_run_in_a_folder_is_refused_until_the_first_ends(tmp_path):
    folder = tmp_path / "run"
    with (
        refused(folder),
        pytest.raises(TrainingError, match=r"another dance is going on in .*run; wait"),
        refused(folder),
    ):
        pytest.fail("two runs at once")
    with refused(folder):
        (folder / "a").touch()
    assert names_in(folder) == {"a"}


def test_a_run_in_a_folder_that_cannot_be_made_is_the_callers_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError), refused(tmp_path / "file" / "run"):
        pytest.fail("a folder in a file")


def test_an_error_of_the_work_is_not_taken_for_the_locks(tmp_path):
    with pytest.raises(FileNotFoundError), refused(tmp_path / "run"):
        (tmp_path / "missing").read_bytes()


def test_a_killed_process_holds_no_lock(tmp_path):
    with maker(tmp_path) as (process, _):
        with only_one(tmp_path / "lock") as is_alone:
            assert not is_alone
        process.kill()
        process.wait()
        with only_one(tmp_path / "lock") as is_alone:
            assert is_alone
