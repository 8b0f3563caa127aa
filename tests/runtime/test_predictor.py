import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.errors import ModelFileError, NotFiniteError, PictureError
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import MODEL_METADATA_KEY
from model_fixtures import BLUR, make_card, make_model_file, make_onnx, unchecked_model

pytestmark = pytest.mark.usefixtures("without_grain")


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture(scope="module")
def negative():
    return Predictor(make_model_file(), precision="f32")


@pytest.fixture(scope="module")
def doubling():
    card = make_card(task="super-resolution", scale=2)
    return Predictor(make_model_file(card=card, scale=2), precision="f32")


def test_a_picture_becomes_its_negative(negative):
    rgb = np.zeros((20, 30, 3), np.float32)
    rgb[..., 0] = 0.25  # a dark red becomes 0.75, 1, 1
    expected = np.broadcast_to(np.float32([0.75, 1, 1]), rgb.shape)
    np.testing.assert_allclose(negative(rgb), expected, atol=1e-6)


def test_a_scale_of_two_doubles_each_pixel(doubling):
    rgb = noise(17, 19, 3)
    expected = (1 - rgb).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(doubling(rgb), expected, atol=1e-6)


@settings(max_examples=30)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_pictures_of_any_size_keep_their_size(negative, doubling, height, width):
    rgb = noise(height, width, 3)
    np.testing.assert_allclose(negative(rgb), 1 - rgb, atol=1e-6)
    assert doubling(rgb).shape == (2 * height, 2 * width, 3)


def test_a_tiny_picture_is_continued_by_its_own_border():
    predictor = Predictor(make_model_file(kernel=BLUR, bias=0.0), precision="f32")
    rgb = np.full((1, 1, 3), 0.5, np.float32)
    # The mean of nine copies; 1/9 in fp16 is off by 2^-16 of itself, nine times.
    np.testing.assert_allclose(predictor(rgb), rgb, atol=1e-3)


def test_a_batch_is_its_pictures_one_by_one(negative):
    batch = noise(3, 21, 18, 3)
    expected = np.stack([negative(rgb) for rgb in batch])
    np.testing.assert_array_equal(negative.predict_batch(batch), expected)


def test_the_precision_of_a_batch_follows_its_bits(negative):
    predictor = Predictor(make_model_file(), precision="auto")
    batch = noise(2, 16, 16, 3)
    expected = negative.predict_batch(batch)
    np.testing.assert_array_equal(predictor.predict_batch(batch, bits=16), expected)


def test_the_result_is_clipped():
    predictor = Predictor(make_model_file(bias=2.0), precision="f32")  # 2 - x, at least 1
    assert np.unique(predictor(noise(16, 16, 3))).tolist() == [1.0]


def test_the_result_is_a_picture_again(negative):
    result = negative(noise(18, 16, 3))
    assert (result.dtype, result.flags.c_contiguous) == (np.float32, True)
    assert negative(result).shape == result.shape


def test_bf16_agrees_with_f32_within_its_rounding(negative):
    predictor = Predictor(make_model_file(), precision="auto")
    rgb = noise(32, 32, 3)
    np.testing.assert_allclose(predictor(rgb), negative(rgb), atol=2**-7)


def test_the_card_and_backend_are_at_hand(negative):
    assert negative.card.name == "tiny_style"
    assert negative.backend.precision == "f32"


@pytest.mark.parametrize(
    ("rgb", "error", "message"),
    [
        ([[0.0]], PictureError, "given list, expected a float array H×W×3"),
        (np.zeros((16, 16, 3), np.uint8), PictureError, "given uint8, expected a float array"),
        (noise(16, 16), PictureError, r"shape \(16, 16\), expected H×W×3"),
        (noise(16, 16, 4), PictureError, r"shape \(16, 16, 4\), expected H×W×3"),
        (noise(0, 16, 3), PictureError, "not empty"),
        (noise(16, 16, 3) * 255, PictureError, "divide 8-bit values by 255"),
        (noise(16, 16, 3) - 0.5, PictureError, r"expected \[0, 1\]"),
        (np.full((16, 16, 3), np.nan, np.float32), NotFiniteError, "NaN or infinity"),
        (np.full((16, 16, 3), np.inf, np.float32), NotFiniteError, "NaN or infinity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_that_is_no_picture_is_refused(negative, rgb, error, message):
    with pytest.raises(error, match=message):
        negative(rgb)


def test_a_batch_has_four_dimensions(negative):
    with pytest.raises(PictureError, match="expected N×H×W×3"):
        negative.predict_batch(noise(16, 16, 3))


def test_a_graph_that_does_not_fit_its_card_is_refused():
    card = make_card(task="super-resolution", scale=4)
    metadata = {MODEL_METADATA_KEY: card.to_json()}
    predictor = Predictor(unchecked_model(make_onnx(scale=2, metadata=metadata)))
    with pytest.raises(ModelFileError, match=r"tiny_style: the output has the shape \(1, 3, 32"):
        predictor(noise(16, 16, 3))


def test_an_output_that_is_not_finite_is_refused():
    model = make_onnx(metadata={MODEL_METADATA_KEY: make_card().to_json()})
    model.graph.node[-1].op_type = "Div"  # x / 0
    del model.graph.node[-1].input[2:]
    predictor = Predictor(unchecked_model(model), precision="f32")
    with pytest.raises(ModelFileError, match=r"tiny_style: .* not finite"):
        predictor(noise(16, 16, 3))


def test_a_model_that_cannot_be_opened_is_named():
    model = make_onnx(metadata={MODEL_METADATA_KEY: make_card().to_json()})
    model.graph.node[3].input[1] = "one"  # a kernel without height and width
    with pytest.raises(ModelFileError, match="tiny_style: OpenVINO cannot read"):
        Predictor(unchecked_model(model))
