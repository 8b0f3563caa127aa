"""What only some systems have is never needed: to import anything, and to write files."""

import os
import subprocess
import sys

import pytest

WITHOUT = """
import importlib, os, pkgutil, signal, sys

for name in ("fcntl", "resource", "pwd", "grp", "termios", "readline"):
    sys.modules[name] = None  # importing it raises ImportError
for name in ("sched_getaffinity", "posix_fallocate", "getuid", "geteuid", "getloadavg", "fork",
             "register_at_fork", "mkfifo", "O_NOFOLLOW", "O_NONBLOCK", "sysconf"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGXFSZ", "SIGALRM", "SIGUSR1", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
IMPORT_ALL = """
import importlib, pkgutil, sys
import impasto

def import_all():
    def fail(name):
        raise ImportError(f"{name} cannot be imported")

    for module in pkgutil.walk_packages(impasto.__path__, "impasto.", onerror=fail):
        if module.name != "impasto.__main__":
            importlib.import_module(module.name)

import_all()
for name in [name for name in sys.modules if name.partition(".")[0] == "impasto"]:
    del sys.modules[name]  # but not the libraries, which are not ours to mend
"""
WRITE = """
from pathlib import Path
from impasto.cli.main import run
from impasto.files import reserve_file, write_whole
from impasto.system.signals import ENDING, end_as_by_ctrl_c
from impasto.training.interruption import stop_on_signals
from impasto.system.work_files import alone_in, work_folder
import threading

end_as_by_ctrl_c()
assert signal.SIGTERM in ENDING
with stop_on_signals(threading.Event()):
    pass
folder = Path(sys.argv[1])
write_whole(folder / "a", b"new", replace=False)
write_whole(folder / "a", b"newer")
reserve_file(folder / "b", 5)
with work_folder(folder) as place, alone_in(folder / "run") as is_alone:
    write_whole(place / "c", b"c")
    assert is_alone
assert sorted(os.listdir(folder)) == ["a", "b"]
assert (folder / "a").read_bytes() == b"newer"
assert run(["stylize", *sys.argv[2:]]) == 0
"""


def run_python(code, *words):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_module_is_imported_without_what_only_some_systems_have():
    run_python(f"{IMPORT_ALL}{WITHOUT}import_all()\n")


def test_pictures_are_written_without_what_only_some_systems_have(
    tmp_path, photo_path, tiny_model_path
):
    (tmp_path / "out").mkdir()
    words = [photo_path, "-o", tmp_path / "made.png", "--style", tiny_model_path, "--tile", "128"]
    libraries = "import openvino, PIL, platformdirs, pyvips, rich.progress\n"
    run_python(libraries + WITHOUT + WRITE, tmp_path / "out", *words)
    assert (tmp_path / "made.png").stat().st_size > 0


@pytest.fixture
def photo_path(tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 180), (10, 20, 30)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
