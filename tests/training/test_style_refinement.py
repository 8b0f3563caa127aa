import shutil

import numpy as np
import pytest
import torch

from impasto.errors import ModelFileError, RecipeError, TrainingInterrupted
from impasto.networks.any_painting import StyledNetwork
from impasto.runtime.backends.torch_network import load_network
from impasto.runtime.painting_styles import PaintingEncoder
from impasto.tensors import to_array
from impasto.training.checkpoint import load_checkpoint
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.run import resumed_recipe, run_folder, train_model
from impasto.training.style_task import StyleTask
from impasto.zoo.model_file import read_model_file
from impasto.zoo.style_file import read_style_file, style_file_model
from impasto.zoo.style_table import is_style_network
from impasto.zoo.style_vectors import read_style_network
from training_fixtures import refinement_recipe, stop_at

STAGES = [{"steps": 30, "crop_size": 32, "batch_size": 2, "learning_rate": 0.02}]


@pytest.fixture(scope="module")
def recipe_of(painting, photos, base_network_path):
    def build(base=base_network_path, **changes):
        return refinement_recipe(painting, photos, base, **changes)

    return build


@pytest.fixture(scope="module")
def base(base_network_path):
    return read_style_network(read_model_file(base_network_path))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, recipe_of):
    """A training that ends as an add-on."""
    output = tmp_path_factory.mktemp("trained") / "my wave.style.json"
    return train_model(recipe_of(stages=STAGES), output), output


def weights_of(output):
    tensors = load_checkpoint(run_folder(output) / CHECKPOINT_NAME).tensors
    return {name.removeprefix("network."): w for name, w in tensors.items() if "network." in name}


def noise(seed):
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def started(recipe, base):
    task = StyleTask(recipe)
    task.start_from(base.model)
    return task


def test_a_training_starts_in_the_style_that_the_encoder_gives(recipe_of, base):
    task = started(recipe_of(), base)
    vector = PaintingEncoder(base.encoder)(to_array(task.painting[0]))
    assert np.array_equal(task.network.style_constants().detach(), base.constants(vector))
    # The file of that style has these constants in float16.
    in_style = load_network(base.in_style(base.constants(vector), name="x", title="x"))
    with torch.no_grad():
        stylized, expected = (network.eval()(noise(0)) for network in (task.network, in_style))
    assert torch.allclose(stylized, expected, atol=5e-3)


def test_only_constants_are_trained(trained, base):
    weights, expected = weights_of(trained[1]), load_network(base.model)
    constants = expected.constant_parameters()
    moved = {name for name, w in expected.state_dict().items() if not torch.equal(w, weights[name])}
    assert moved == set(constants)


def test_the_four_positions_of_a_square_of_colours_stay_alike(trained, base):
    weights = weights_of(trained[1])
    matrix = weights["colours.weight"].view(3, 4, 3, 4)
    own = matrix[:, 0, :, 0]
    expected = torch.einsum("ij,pq->ipjq", own, torch.eye(4))
    assert torch.equal(matrix, expected)
    assert torch.equal(
        weights["colours.bias"].view(3, 4), weights["colours.bias"][::4, None].expand(3, 4)
    )


def test_an_add_on_is_small_and_holds_what_was_trained(trained):
    outcome, output = trained
    assert output.stat().st_size < 20_000
    style = read_style_file(output)
    network = load_network(outcome.model)
    assert np.array_equal(style.norm_constants, network.style_constants().detach())
    assert (style.name, style.title) == ("my-wave", "my wave")
    assert (style.painting.title, style.painting.short_side) == ("painting", 64)
    assert (style.training.steps, style.training.num_photographs) == (30, 6)
    assert style.training.losses.keys() == {"content", "style", "total_variation", "grid"}


def test_the_file_of_the_network_stays_as_it_is(trained, base, base_network_path):
    assert base_network_path.read_bytes() == base.model.data
    assert style_file_model(trained[1], base).sha256 == trained[0].model.sha256


def test_the_loss_falls(trained, recipe_of, base):
    task = started(recipe_of(), base)
    photographs = [noise(seed) for seed in range(4)]
    task.normalisation.apply(task.normalisation.measure(photographs))
    tuned = load_network(trained[0].model)
    assert isinstance(tuned, StyledNetwork)
    with torch.no_grad():
        before, after = (
            sum(float(task.loss_terms(network, batch).total) for batch in photographs)
            for network in (task.network, tuned)
        )
    assert after < 0.9 * before


def test_a_resumed_training_ends_in_the_same_constants(tmp_path, recipe_of):
    broken, whole = tmp_path / "broken.style.json", tmp_path / "whole.style.json"
    with pytest.raises(
        TrainingInterrupted, match=r"impasto train style --resume -o \S+broken.style"
    ):
        train_model(recipe_of(), broken, on_progress=stop_at(2))
    assert not broken.exists()
    train_model(resumed_recipe(broken), broken, resume=True)
    train_model(recipe_of(), whole)
    assert read_style_file(broken).constants == read_style_file(whole).constants
    first, second = weights_of(broken), weights_of(whole)
    assert all(torch.equal(weights, second[name]) for name, weights in first.items())


def test_an_add_on_of_a_network_that_was_changed_is_refused(tmp_path, recipe_of, base):
    copy, output = tmp_path / "base.onnx", tmp_path / "x.style.json"
    shutil.copy(base.model.path, copy)
    with pytest.raises(TrainingInterrupted):
        train_model(recipe_of(copy), output, on_progress=stop_at(1))
    # A bit of a weight that is no constant: the last byte of the first convolution.
    data = bytearray(base.model.data)
    weights = load_network(base.model).encode_half.weight.detach().half().numpy().tobytes()
    data[data.index(weights)] ^= 1
    copy.write_bytes(data)
    with pytest.raises(ModelFileError, match="was changed since the training began"):
        train_model(resumed_recipe(output), output, resume=True)
    assert not output.exists()


def test_all_weights_are_trained_where_asked(tmp_path, recipe_of, base):
    output = tmp_path / "wave.onnx"
    model = train_model(recipe_of(tune="all"), output).model
    expected = load_network(base.model).state_dict()
    weights = load_network(model).state_dict()
    assert not any(
        torch.equal(w, expected[name]) for name, w in weights.items() if "rgb_norm" not in name
    )
    # One style, which every runtime takes, and another training may start from.
    assert not is_style_network(model)
    assert model.card.architecture == base.model.card.architecture
    task = StyleTask(recipe_of(tune="all"))
    task.start_from(model)
    assert torch.equal(task.network.style_constants(), load_network(model).style_constants())


def test_an_add_on_holds_no_more_than_constants(tmp_path, recipe_of):
    with pytest.raises(RecipeError, match="which holds a style's constants and no network"):
        train_model(recipe_of(tune="all"), tmp_path / "x.style.json")


def test_constants_need_a_network_for_any_painting(tmp_path, recipe_of):
    with pytest.raises(RecipeError, match="starts from a network for any painting, which udnie is"):
        train_model(recipe_of("udnie"), tmp_path / "x.style.json")
    with pytest.raises(RecipeError, match="name it in initialise_from"):
        recipe_of(None)


def test_a_painting_too_small_for_the_encoder_is_refused(tmp_path, recipe_of, painting):
    recipe = recipe_of(painting={"file": painting, "short_side": 32})
    with pytest.raises(RecipeError, match=r"painting\.short_side is 32; .* takes 64 or more"):
        train_model(recipe, tmp_path / "x.style.json")


def test_crops_of_the_network_divide_by_four(recipe_of):
    with pytest.raises(RecipeError, match=r"takes crop sizes that divide by 4; given: \[34\]"):
        recipe_of(stages=[{"steps": 1, "crop_size": 34}])
