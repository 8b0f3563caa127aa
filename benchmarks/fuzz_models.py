"""Model files changed at random, each read and run in a worker process that may be lost.

    python benchmarks/fuzz_models.py [--files 10000] [--seed 0] [--keep FOLDER]

Small models of every architecture and their int8 models are changed between decoding and encoding
again, sometimes in their bytes. A file that is read is run by OpenVINO at two sizes and by ONNX
Runtime, some of them in tiles. Counted are files refused in one line, files that ran, files that
only a runtime refused, and what must not be: other errors, messages of several lines, workers that
died or never answered, and memory that grows. `--keep` writes the files that did one of these.
"""

import sys
from pathlib import Path

import numpy as np
from fuzzing import Fuzz, arguments, publish_fuzz

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "zoo")]
from exported_models import SMALL, exported_models  # noqa: E402  (found there)
from model_mutants import OUTCOMES, mutant, outcome_of  # noqa: E402


def main() -> None:
    fuzz = Fuzz(
        name="fuzz_models",
        subject="model",
        seeds=exported_models(SMALL),
        mutant=mutant,
        outcome_of=outcome_of_model,
        outcomes=OUTCOMES,
        fine=("refused", "ran"),
        summed=("refused when run",),
        packages=("openvino", "onnxruntime", "onnx", "numpy"),
        suffix=".onnx",
        wall_seconds=120,
        lists_memory=True,
    )
    publish_fuzz(fuzz, arguments(__doc__, num_files=10_000))


def outcome_of_model(_kind: str, data: bytes, number: int) -> tuple[str, str]:
    """Read and run a model file."""
    outcome: tuple[str, str] = outcome_of(data, np.random.default_rng(number))
    return outcome


if __name__ == "__main__":
    main()
