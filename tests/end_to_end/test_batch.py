"""`impasto batch` on a Ray of its own, with two workers, one of which is killed midway.

The pictures come from a web server of the test's, which keeps its answers to itself until a
worker has been killed: so both are in the middle of their work, however slow the machine.
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from training_fixtures import environment, impasto_command, run_command

NUM_PICTURES = 40
NUM_ANSWERED_AT_ONCE = 6
TIMEOUT_SECONDS = 1500  # Ray takes its time on a machine that is busy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers in /proc"),
]


def picture_of(number):
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Photographs(BaseHTTPRequestHandler):
    """Answers a few requests at once, and the others when it may."""

    asked: Counter
    may_answer: threading.Event

    def log_message(self, *_):
        """Servers of tests are silent."""

    def do_GET(self):
        self.asked[self.path] += 1
        if self.asked.total() > NUM_ANSWERED_AT_ONCE:
            self.may_answer.wait()
        data = picture_of(int(self.path.removeprefix("/")))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def photographs():
    """The server: its address, what was asked of it, and the leave to answer."""
    Photographs.asked, Photographs.may_answer = Counter(), threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Photographs) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Photographs.may_answer.set()
        server.shutdown()
        thread.join()


def parents():
    """Every process's parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def workers_of(ancestor):
    """Processes below another that hold a model."""
    parent_of, workers = parents(), []
    for process in parent_of:
        above, place = [], process
        while place in parent_of:
            place = parent_of[place]
            above.append(place)
        try:
            title = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if ancestor in above and b"RayWorker" in title:
            workers.append(process)
    return workers


def wait_for(condition, process):
    """Wait until it holds; a process that ends before is a failure."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rows_of(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(
    photographs, tiny_model_path, tmp_path
):
    pictures = [f"{photographs}/{number}" for number in range(NUM_PICTURES)]
    (tmp_path / "list.txt").write_text("\n".join(pictures))
    output = tmp_path / "out"
    command = impasto_command(
        *("batch", tmp_path / "list.txt", "-o", output, "--style", tiny_model_path),
        *("--workers", 2, "--format", "png"),
    )
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            wait_for(lambda: Photographs.asked.total() >= NUM_ANSWERED_AT_ONCE + 2, process)
            killed, other = workers_of(process.pid)
            os.kill(killed, signal.SIGKILL)
        finally:
            Photographs.may_answer.set()
        said, complained = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, said) == (0, f"{output / 'manifest.jsonl'}\n"), complained
    assert f"{NUM_PICTURES} done, 0 failed" in complained

    rows = rows_of(output / "manifest.jsonl")
    assert sorted(row["source"] for row in rows) == sorted(pictures)
    assert {row["error"] for row in rows} == {None}
    names = {path.relative_to(output).as_posix() for path in output.rglob("*.png")}
    assert names == {row["target"] for row in rows}
    assert len(names) == NUM_PICTURES
    for row in rows:
        data = (output / row["target"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
    done_by = {int(row["worker"].rpartition(":")[2]) for row in rows}
    assert other in done_by
    assert max(Photographs.asked.values()) > 1  # what was lost was asked for again
    assert not list(output.rglob("*.tmp"))

    Photographs.asked.clear()  # and what is done is not done again
    again = run_command(command, timeout_seconds=TIMEOUT_SECONDS)
    assert (again.returncode, Photographs.asked.total()) == (0, 0)
    assert f"0 done, {NUM_PICTURES} were done before, 0 failed" in again.stderr


def test_a_parquet_becomes_a_parquet(tiny_model_path, tmp_path):
    (tmp_path / "in.parquet").mkdir()
    for part in range(2):
        numbers = range(part * 4, part * 4 + 4)
        held = {"id": [f"p{n}" for n in numbers], "bytes": [picture_of(n) for n in numbers]}
        pyarrow.parquet.write_table(pa.table(held), tmp_path / "in.parquet" / f"{part}.parquet")
    output = tmp_path / "out.parquet"
    stray = output / f"part-{'0' * 24}.parquet"  # of a batch that was stopped
    output.mkdir()
    pyarrow.parquet.write_table(pa.table({"id": ["p0"], "bytes": [b""]}), stray)
    done = run_command(
        impasto_command(
            *("batch", tmp_path / "in.parquet", "-o", output, "--style", tiny_model_path),
            *("--workers", 1, "--format", "png", "--json"),
        ),
        timeout_seconds=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 8
    held = pyarrow.parquet.read_table(output).to_pylist()
    assert sorted(row["id"] for row in held) == [f"p{n}" for n in range(8)]
    sha256_of = {row["source"]: row["sha256"] for row in rows_of(output / "_manifest.jsonl")}
    for row in held:
        assert hashlib.sha256(row["bytes"]).hexdigest() == sha256_of[row["id"]]
