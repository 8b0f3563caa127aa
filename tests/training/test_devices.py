import pytest
import torch
from torch import nn

from impasto.errors import RecipeError, TrainingError
from impasto.training.devices import check_batches, describe_hardware, make_fabric
from training_fixtures import tiny_recipe


@pytest.fixture
def recipe_of(painting, photos):
    return lambda **changes: tiny_recipe(painting, photos, **changes)


@pytest.mark.parametrize(("precision", "dtype"), [("f32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_decides_what_convolutions_compute_in(recipe_of, precision, dtype):
    fabric = make_fabric(recipe_of(precision=precision))
    with fabric.autocast():
        assert nn.Conv2d(3, 3, 1)(torch.rand(1, 3, 4, 4)).dtype == dtype


def test_automatic_precision_is_bf16_where_torch_says_so(recipe_of, monkeypatch):
    for has_bf16, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)  # noqa: B023
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert make_fabric(recipe_of(precision="auto"))._precision.precision == precision


def test_automatic_precision_is_f32_where_torch_cannot_say(recipe_of, monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name)
    assert make_fabric(recipe_of(precision="auto", device="cpu"))._precision.precision == "32-true"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_missing_cuda_device_is_one_clear_line(recipe_of):
    with pytest.raises(TrainingError, match=r"device is 'cuda' but no CUDA device is there"):
        make_fabric(recipe_of(device="cuda"))


def test_hardware_is_named_with_its_threads(recipe_of):
    words = describe_hardware(make_fabric(recipe_of(device="cpu")))
    assert words.endswith(f", {torch.get_num_threads()} threads")
    assert len(words) > len(", 1 threads")


def test_batches_that_do_not_divide_are_refused_before_the_first_step(recipe_of):
    stages = [{"steps": 1, "batch_size": 4}, {"steps": 1, "batch_size": 6}]
    recipe = recipe_of(stages=stages)
    check_batches(recipe, 2)
    with pytest.raises(RecipeError, match=r"stages.1.batch_size is 6; .* multiple of the 4 proc"):
        check_batches(recipe, 4)
