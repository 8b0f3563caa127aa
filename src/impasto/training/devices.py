"""The device, precision and processes of a training, through Lightning Fabric.

torchrun starts the processes. Fabric's and torch's own messages are silenced, so that they do not
mix with the training's lines.
"""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator

import torch
from lightning.fabric import Fabric

from impasto.errors import RecipeError, TrainingError
from impasto.system.machine import processor_name
from impasto.training.sections import TrainingRecipe


@contextlib.contextmanager
def launched_fabric(recipe: TrainingRecipe) -> Iterator[Fabric]:
    """Join the processes of a training; they part when the context ends.

    Raises:
        TrainingError: when a CUDA device is asked for and there is none.
    """
    fabric = make_fabric(recipe)
    fabric.launch()
    try:
        yield fabric
        fabric.barrier()
    finally:
        if fabric.world_size > 1 and torch.distributed.is_initialized():
            time.sleep(_SECONDS_FOR_GLOO)
            torch.distributed.destroy_process_group()


_SECONDS_FOR_GLOO = 0.2
"""gloo's threads let go of the last gradient's Python objects after they answered, and need
Python's lock for it. The reducer of a network, or the end of Python, joins them with that lock in
hand (torch 2.13): without this rest, about one of ten short programs never ended."""


def make_fabric(recipe: TrainingRecipe) -> Fabric:
    """Return the Fabric of a recipe: device, precision, and the processes torchrun started.

    Raises:
        TrainingError: when a CUDA device is asked for and there is none.
    """
    cuda = torch.cuda.is_available()
    if recipe.device == "cuda" and not cuda:
        raise TrainingError("device is 'cuda' but no CUDA device is there; use 'auto' or 'cpu'")
    accelerator = "cuda" if cuda and recipe.device != "cpu" else "cpu"
    if accelerator == "cuda":
        torch.set_float32_matmul_precision("high")
    processes_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        return Fabric(
            accelerator=accelerator,
            devices=processes_here,
            num_nodes=max(processes // processes_here, 1),
            strategy="ddp" if processes > 1 else "auto",
            precision="bf16-mixed" if _wants_bf16(recipe.precision, accelerator) else "32-true",
        )


def check_batches(recipe: TrainingRecipe, num_processes: int) -> None:
    """Refuse at once what would end a later stage.

    Raises:
        RecipeError: when a stage's batches do not divide among the processes.
    """
    for number, stage in enumerate(recipe.stages):
        if stage.batch_size % num_processes:
            raise RecipeError(
                f"recipe: stages.{number}.batch_size is {stage.batch_size}; expected a multiple "
                f"of the {num_processes} processes"
            )


def _wants_bf16(precision: str, accelerator: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch has no public question for it; where the private ones are gone, f32 is always right.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in questions)


def describe_hardware(fabric: Fabric) -> str:
    """Return device and number of threads in words, for logs and cards."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} × {torch.cuda.get_device_name(fabric.device)}"
    return f"{processor_name()}, {torch.get_num_threads() * fabric.world_size} threads"
