"""Small models quantized with small photographs; the shipped styles are in tests/zoo."""

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ExportError, ModelFileError, PictureFileError
from impasto.export.quantization import quantize_model, write_quantized
from impasto.runtime.backends.torch_network import load_network
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import model_from_bytes, read_model_file
from model_fixtures import BLUR, make_card, make_model_bytes, make_model_file


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Seven small photographs of soft noise."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(7):
        values = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(values).resize((80, 60)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def blur():
    return make_model_file(kernel=BLUR, bias=0.0)


@pytest.fixture(scope="module")
def quantized(blur, photographs):
    return quantize_model(blur, photographs)


def test_the_quantized_model_makes_nearly_the_same_picture(blur, quantized):
    picture = np.random.default_rng(1).random((40, 50, 3), dtype=np.float32)
    expected, predictor = Predictor(blur, precision="f32")(picture), Predictor(quantized.model)
    assert predictor.backend.precision == "int8"
    error = np.abs(predictor(picture) - expected)
    assert 0 < error.max() < 2 / 255


def test_the_card_says_how_it_was_quantized(blur, quantized, photographs):
    record = quantized.record
    assert record.made_from == blur.sha256
    assert (record.activation_bits, record.weight_bits) == (8, 7)
    assert (record.in_float, record.share_in_float) == ([], 0)
    assert record.photographs == f"3 of {photographs.name}, 256×256"  # 4 are for the check
    assert record.checked == "4 photographs at 256×256 and 512×512"
    decibels = [value for _, value in quantized.checked]
    assert record.min_psnr == pytest.approx(min(decibels), abs=0.01)
    assert 45 < record.min_psnr <= record.median_psnr < 60  # 8-bit rounding alone leaves 59 dB
    assert quantized.model.card.model_copy(update={"quantization": None}) == blur.card


def test_a_quantized_file_is_a_sound_model_file(quantized, tmp_path):
    path = tmp_path / "new" / "blur.int8.onnx"
    write_quantized(quantized, path)
    assert read_model_file(path).card == quantized.model.card


def test_the_check_photographs_may_be_others(blur, photographs, tmp_path):
    Image.new("RGB", (64, 64), (200, 100, 50)).save(tmp_path / "flat.png")
    quantized = quantize_model(blur, photographs, check=tmp_path)
    assert [picture.name for picture, _ in quantized.checked] == ["flat.png", "flat.png"]
    assert quantized.record.photographs == f"7 of {photographs.name}, 256×256"


def test_what_cannot_be_near_enough_is_refused(blur, photographs):
    tried = []
    with pytest.raises(ExportError, match=r"reaches .* dB, expected 90, .* nothing was written"):
        quantize_model(blur, photographs, min_psnr=90, report=tried.append)
    assert tried[0].startswith("everything in 8 bits: at least ")


def test_a_quantized_model_is_not_quantized_again(quantized, photographs):
    with pytest.raises(ModelFileError, match="is quantized already; give the model it was made"):
        quantize_model(quantized.model, photographs)


def test_a_quantized_model_is_no_start_for_a_training(quantized):
    with pytest.raises(ModelFileError, match="holds its weights in 7 bits; give the model"):
        load_network(quantized.model)


def test_too_few_photographs_are_refused(blur, tmp_path):
    with pytest.raises(ExportError, match=r"0 pictures found in .*; give some tens"):
        quantize_model(blur, tmp_path)
    with pytest.raises(PictureFileError, match="does not exist"):
        quantize_model(blur, tmp_path / "nowhere")


def test_super_resolution_is_checked_at_the_sizes_that_come_out(photographs):
    card = make_card(scale=2, task="super-resolution")
    enlarging = model_from_bytes(make_model_bytes(card=card, kernel=BLUR, bias=0.0, scale=2))
    record = quantize_model(enlarging, photographs).record
    assert record.checked == "4 photographs at 128×128 and 256×256"


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_quantized_model_has_one_precision(quantized, precision):
    with pytest.raises(ModelFileError, match=f"cannot be run in {precision}; use .* 'int8'"):
        Predictor(quantized.model, precision=precision)


def test_int8_of_a_model_that_is_not_quantized_is_refused(blur):
    with pytest.raises(ModelFileError, match="is not quantized, so it cannot be run in int8"):
        Predictor(blur, precision="int8")
