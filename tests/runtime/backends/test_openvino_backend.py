import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import ModelFileError
from impasto.runtime.backends.openvino_backend import (
    MAX_SHAPES_KEPT,
    OpenVinoBackend,
    choose_precision,
)
from model_fixtures import make_model_bytes, make_onnx


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_a_batch_becomes_its_negative(tiny_model_bytes):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32")
    batch = noise(2, 3, 17, 23)
    np.testing.assert_allclose(backend.run(batch), 1 - batch, atol=1e-6)


def test_a_batch_of_any_memory_layout_is_read_right(tiny_model_bytes):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32")
    batch = noise(1, 18, 20, 3).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(backend.run(batch), 1 - batch, atol=1e-6)


def test_sizes_seen_before_do_not_change_a_result(tiny_model_bytes):
    backend, fresh = (OpenVinoBackend(tiny_model_bytes) for _ in range(2))
    batch = noise(1, 3, 24, 31)
    for shape in ((1, 3, 16, 16), (3, 3, 64, 48), (1, 3, 31, 24)):
        backend.run(noise(*shape))
    np.testing.assert_array_equal(backend.run(batch), fresh.run(batch))


@pytest.mark.parametrize("num_requests", [1, 2])
def test_few_compiled_shapes_are_kept(tiny_model_bytes, num_requests):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32", num_requests=num_requests)
    for side in range(16, 16 + 2 * MAX_SHAPES_KEPT):
        backend.run(noise(1, 3, side, 16))
        assert len(backend._requests) == min(side - 15, MAX_SHAPES_KEPT)


def test_compiled_shapes_are_kept_within_their_memory(tiny_model_bytes):
    two_of_a_megapixel = 2 * (10 * 2**20 + 3 * 200 // 3 * 1000 * 1000)
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32", bytes_kept=two_of_a_megapixel)
    for side in (1000, 999, 998):
        backend.run(noise(1, 3, 1000, side))
    assert list(backend._requests) == [(1, 3, 1000, 999), (1, 3, 1000, 998)]
    backend.run(noise(1, 3, 2000, 1000))
    assert list(backend._requests) == [(1, 3, 2000, 1000)]


def test_a_shape_forgotten_for_its_memory_is_compiled_again(tiny_model_bytes):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32", bytes_kept=0)
    for size in (16, 20, 64, 16):  # 16² is forgotten for 20², that for 64², that for 16²
        batch = noise(1, 3, size, size)
        np.testing.assert_allclose(backend.run(batch), 1 - batch, atol=1e-6)


def test_a_result_is_not_overwritten_by_the_next(tiny_model_bytes):
    backend = OpenVinoBackend(tiny_model_bytes)
    first = backend.run(noise(1, 3, 16, 16))
    kept = first.copy()
    backend.run(np.zeros((1, 3, 16, 16), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_the_precision_asked_for_is_used_and_named(tiny_model_bytes):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32", num_threads=1)
    assert (backend.name, backend.precision) == ("OpenVINO CPU", "f32")


@pytest.mark.parametrize("num_requests", [1, 2, 3])
def test_callers_at_once_get_each_its_own_result(tiny_model_bytes, num_requests):
    backend = OpenVinoBackend(tiny_model_bytes, precision="f32", num_requests=num_requests)
    shapes = [(1, 3, 16, 16), (2, 3, 24, 31), (1, 3, 64, 48)]
    batches = [
        np.random.default_rng(seed).random(shapes[seed % len(shapes)], dtype=np.float32)
        for seed in range(24)
    ]
    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(backend.run, batches))
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_allclose(result, 1 - batch, atol=1e-6)


def test_a_request_that_failed_serves_the_next():
    backend = OpenVinoBackend(graph_that_fails_at_16_pixels(), num_requests=2)
    for _ in range(3):
        with pytest.raises(ModelFileError):
            backend.run(noise(1, 3, 16, 16))
        assert backend.run(noise(1, 3, 32, 32)).shape == (1, 3, 72, 72)


@pytest.mark.parametrize(
    ("asked", "capabilities", "expected"),
    [
        ("auto", ["FP32", "BF16"], "bf16"),
        ("auto", ["FP32", "INT8"], "f32"),
        ("f32", ["FP32", "BF16"], "f32"),
        ("bf16", ["FP32", "BF16"], "bf16"),
    ],
)
def test_precision_follows_the_processor_unless_told(asked, capabilities, expected):
    assert choose_precision(asked, capabilities) == expected


def test_bf16_on_a_processor_without_it_is_refused():
    with pytest.raises(ModelFileError, match="does not compute in it; use the precision 'f32'"):
        choose_precision("bf16", ["FP32"])


def test_unknown_settings_are_refused(tiny_model_bytes):
    with pytest.raises(ValueError, match="precision is 'int4', expected"):
        OpenVinoBackend(tiny_model_bytes, precision="int4")
    with pytest.raises(ValueError, match="num_threads is 0"):
        OpenVinoBackend(tiny_model_bytes, num_threads=0)
    with pytest.raises(ValueError, match="num_requests is 0"):
        OpenVinoBackend(tiny_model_bytes, num_requests=0)


def test_a_graph_openvino_cannot_read_is_refused_in_one_line():
    model = make_onnx()
    model.graph.node[3].input[1] = "one"  # a kernel without height and width
    with pytest.raises(ModelFileError, match="OpenVINO cannot read the model") as raised:
        OpenVinoBackend(model.SerializeToString())
    assert "\n" not in str(raised.value)


def graph_that_fails_at_16_pixels():
    model = make_onnx()
    model.graph.node[0].attribute[0].s = b"reflect"
    pads = next(tensor for tensor in model.graph.initializer if tensor.name == "pads")
    pads.raw_data = np.array([0, 0, 20, 20, 0, 0, 20, 20], np.int64).tobytes()
    return model.SerializeToString()


def test_a_graph_that_fails_at_a_size_is_refused_in_one_line():
    backend = OpenVinoBackend(graph_that_fails_at_16_pixels())
    assert backend.run(noise(1, 3, 32, 32)).shape == (1, 3, 72, 72)
    with pytest.raises(
        ModelFileError, match="OpenVINO cannot run the model at 16×16 pixels"
    ) as raised:
        backend.run(noise(1, 3, 16, 16))
    assert "\n" not in str(raised.value)


def test_openvino_is_loaded_without_its_telemetry(tmp_path):
    (tmp_path / "model.onnx").write_bytes(make_model_bytes())
    program = """
import sys
reached = []
sys.addaudithook(lambda event, _: reached.append(event) if event.startswith("socket.") else None)
from impasto.runtime.backends import openvino_backend as backends
assert "openvino" not in sys.modules
backends.OpenVinoBackend(open("model.onnx", "rb").read())
import openvino
assert not any(name.startswith("openvino_telemetry") for name in sys.modules), "telemetry"
assert callable(openvino.convert_model)
assert not reached, reached
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.skipif(os.name != "posix", reason="needs signals between processes")
def test_a_signal_arrives_after_backends_were_dropped_in_the_order_they_were_made(tmp_path):
    (tmp_path / "model.onnx").write_bytes(make_model_bytes())
    program = """
import gc, os, signal
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
data = open("model.onnx", "rb").read()
first, second = OpenVinoBackend(data), OpenVinoBackend(data)
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("arrived"))
os.kill(os.getpid(), signal.SIGINT)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "arrived\n", "")


CORES_WHILE_IT_RUNS = """
import contextlib, os, pathlib, sys, threading
import numpy as np
from impasto.runtime.backends.openvino_backend import OpenVinoBackend

backend = OpenVinoBackend(pathlib.Path(sys.argv[1]).read_bytes(), num_threads=1)
picture, seen = np.zeros((1, 3, 1024, 1024), np.float32), set()
work = threading.Thread(target=lambda: [backend.run(picture) for _ in range(5)])
work.start()
while work.is_alive():
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            seen.add(len(os.sched_getaffinity(int(task.name))))
print(*seen)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads threads in /proc")
def test_a_thread_that_was_asked_for_is_bound_to_no_core(tiny_model_path):
    """Else several processes, with a thread each, would all sit on the first core."""
    cores = len(os.sched_getaffinity(0))
    if cores == 1:
        pytest.skip("there is but one core to sit on")
    seen = subprocess.check_output(
        [sys.executable, "-c", CORES_WHILE_IT_RUNS, tiny_model_path], text=True
    )
    assert seen.split() == [str(cores)]
