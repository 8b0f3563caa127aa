"""The command line in this process, as a person calls it, with small photographs."""

import io
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from impasto.cli.main import run


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: bytes
    stderr: str

    @property
    def lines(self):
        """What was answered on stdout."""
        return self.stdout.decode().splitlines()

    @property
    def complaint(self):
        """The one line of an error that a person caused."""
        assert self.status == 2, self
        assert self.stdout == b""
        assert self.stderr.startswith("impasto: ")
        assert self.stderr.count("\n") == 1
        assert self.stderr.endswith("\n")
        assert self.stderr[:-1].isprintable()
        return self.stderr.removeprefix("impasto: ").strip()


@pytest.fixture
def impasto(capsysbinary, monkeypatch, user_models):
    """Calls the command line with these words; nobody's own models are seen."""

    def call(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        status = run([str(word) for word in words])
        said = capsysbinary.readouterr()
        return Outcome(status, said.out, said.err.decode())

    return call


@pytest.fixture
def negative(impasto, tiny_model_path, without_grain):
    """Calls `impasto stylize` with the style of negatives, exactly."""

    def call(*words, stdin=b""):
        style = ("--style", tiny_model_path, "--precision", "f32")
        return impasto("stylize", *style, *words, stdin=stdin)

    return call


@pytest.fixture
def photo(tmp_path):
    """A photograph, 24 wide and 16 high, of one colour; its negative is (245, 155, 55)."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (24, 16), (10, 100, 200)).save(path)
    return path


@pytest.fixture
def noise(tmp_path):
    """A photograph, 24 wide and 16 high, in which no two pixels are alike."""
    path = tmp_path / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path
