"""A forked child is told that it cannot use a model, where it would wait for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCHDOG_SECONDS = 200
"""For a child that waits for threads it has not: it would do so for ever."""

SETTING = """
import os, sys
import numpy as np
from impasto import Stylizer
from impasto.errors import ForkError
from impasto.images.picture import Picture
from model_fixtures import make_model_bytes

open("negative.onnx", "wb").write(make_model_bytes())
picture = Picture(np.random.default_rng(0).random((180, 200, 3), np.float32))

def stylizer(tile):
    return Stylizer("negative.onnx", precision="f32", tile=tile)

def in_child(use):
    child = os.fork()
    if child == 0:
        try:
            use()
        except ForkError as error:
            print(error, flush=True)
            os._exit(5)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(code, folder):
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SETTING + code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tile", ["'off'", "136"])
def test_a_model_opened_before_a_fork_is_refused_in_the_child(tmp_path, tile):
    code = f"""
opened = stylizer({tile})
expected = opened.stylize(picture).rgb
assert in_child(lambda: opened.stylize(picture)) == 5
assert in_child(lambda: stylizer({tile})) == 5
assert np.array_equal(opened.stylize(picture).rgb, expected)  # the parent goes on
"""
    lines = run(code, tmp_path).splitlines()
    assert len(lines) == 2
    assert all("'spawn', or open models only after" in line for line in lines)


def test_a_model_opened_after_a_fork_is_used_there(tmp_path):
    code = """
assert in_child(lambda: stylizer("off").stylize(picture)) == 0
stylizer("off").stylize(picture)  # and here
"""
    assert run(code, tmp_path) == ""
