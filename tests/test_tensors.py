"""The checks of what a public function is given."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import ImpastoError, NotFiniteError, PictureError
from impasto.tensors import (
    check_features,
    check_finite,
    check_gram_matrices,
    check_picture_shape,
    check_pictures,
    check_same_shape,
    unchecked_values,
)

FLOAT_TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
sizes = st.integers(1, 5)


def picture_with(value):
    pictures = torch.full((1, 3, 4, 5), 0.5)
    pictures[0, 1, 2, 3] = value
    return pictures


def complaint(check, *arguments, **settings):
    """The one line that a check raises."""
    with pytest.raises(ImpastoError) as caught:
        check(*arguments, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("value", [-0.25, 0.0, 1.0, 1.25])
def test_pictures_may_pass_the_range_by_a_quarter(value):
    # A network's output lies in [-0.1, 1.1]; 0..255 and [-1, 1] are the mistakes looked for.
    check_pictures(picture_with(value))


@pytest.mark.parametrize("value", [-0.26, 1.26])
def test_pictures_may_not_pass_the_range_by_more(value):
    with pytest.raises(PictureError, match="range"):
        check_pictures(picture_with(value))


def test_a_single_target_goes_with_any_batch():
    check_same_shape(torch.zeros(4, 2, 3, 5), torch.zeros(1, 2, 3, 5), names=("a", "b"))


@given(sizes, sizes, sizes, st.sampled_from(FLOAT_TYPES))
def test_any_size_and_float_type_is_a_picture(num_pictures, height, width, dtype):
    pictures = torch.rand(num_pictures, 3, height, width).to(dtype)
    check_pictures(pictures)
    check_picture_shape(pictures)
    check_features(pictures)


@given(sizes, sizes, st.sampled_from(FLOAT_TYPES))
def test_any_size_and_float_type_is_a_gram_matrix(num_pictures, num_channels, dtype):
    check_gram_matrices(torch.zeros(num_pictures, num_channels, num_channels, dtype=dtype))


@given(st.lists(sizes, max_size=6).filter(lambda shape: len(shape) != 4))
def test_any_other_rank_is_refused_with_its_shape(shape):
    message = complaint(check_features, torch.zeros(shape))
    assert f"have {len(shape)} dimensions" in message
    assert "×".join(map(str, shape)) in message


def test_a_checked_picture_keeps_its_gradient():
    pictures = torch.rand(1, 3, 4, 4, requires_grad=True)
    check_pictures(pictures)
    pictures.sum().backward()
    assert pictures.grad is not None


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (torch.rand(3, 4, 5), ["3 dimensions (shape 3×4×5)", "expected N×C×H×W", "tensor[None]"]),
        (torch.rand(2, 4, 4, 5), ["4 channels (shape 2×4×4×5)", "expected N×3×H×W in RGB order"]),
        (torch.rand(1, 1, 4, 5), ["1 channels", "expected N×3×H×W"]),
        (torch.rand(2, 4, 5, 3), ["4 channels (shape 2×4×5×3)", "N×3×H×W"]),
        (torch.zeros(1, 3, 4, 5, dtype=torch.uint8), ["torch.uint8", "tensor.float() / 255"]),
        (torch.zeros(1, 3, 4, 5, dtype=torch.int64), ["torch.int64", "expected a float type"]),
        (torch.zeros(1, 3, 0, 5), ["empty (shape 1×3×0×5)", "N, C, H, W >= 1"]),
        (torch.zeros(0, 3, 4, 5), ["empty (shape 0×3×4×5)"]),
        (torch.tensor(0.5), ["0 dimensions (shape of a single number)"]),
        (255 * picture_with(1.0), ["range from 128 to 255", "expected [0, 1]", "by 255"]),
        (picture_with(-1.0), ["range from -1 to 0.5", "(x + 1) / 2"]),
        ([[0.5]], ["are a list", "expected a torch tensor"]),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(pictures, said):
    message = complaint(check_pictures, pictures, name="photographs")
    assert message.startswith("photographs ")
    for part in said:
        assert part in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_in_a_picture_are_an_error_of_their_own(value):
    with pytest.raises(NotFiniteError, match="pictures contain NaN or infinity; expected finite"):
        check_pictures(picture_with(value))


def test_the_shape_check_does_not_look_at_values():
    check_picture_shape(picture_with(255.0))
    check_picture_shape(picture_with(float("nan")))


@pytest.mark.parametrize(
    ("gram", "said"),
    [
        (torch.zeros(2, 3, 4), ["shape 2×3×4", "expected N×C×C", "gram_matrix"]),
        (torch.zeros(3, 3), ["shape 3×3", "expected N×C×C"]),
        (torch.zeros(1, 3, 3, dtype=torch.int32), ["torch.int32", "expected a float type"]),
        (None, ["are a NoneType"]),
    ],
)
def test_what_is_no_gram_matrix_is_refused_with_the_reason(gram, said):
    message = complaint(check_gram_matrices, gram)
    for part in said:
        assert part in message


@pytest.mark.parametrize("shape", [(3, 2, 3, 5), (2, 2, 3, 4), (1, 4, 3, 5)])
def test_shapes_that_differ_are_refused_with_both(shape):
    message = complaint(
        check_same_shape, torch.zeros(2, 2, 3, 5), torch.zeros(shape), names=("first", "second")
    )
    assert "first have shape 2×2×3×5" in message
    assert "second " + "×".join(map(str, shape)) in message
    assert "or a single target for the whole batch" in message


def test_one_picture_does_not_go_with_many_targets():
    with pytest.raises(PictureError, match="same shape"):
        check_same_shape(torch.zeros(1, 2, 3, 5), torch.zeros(4, 2, 3, 5), names=("a", "b"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused_by_name(value):
    with pytest.raises(NotFiniteError, match="the pixel loss is not finite"):
        check_finite(torch.tensor(value), name="pixel loss")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 255.0])
def test_values_are_not_checked_where_that_is_left_out(value):
    with unchecked_values():
        check_pictures(picture_with(value))
        check_finite(torch.tensor(value), name="loss")
    # Outside the block, and after it was left by an error, everything is checked again.
    with pytest.raises(ZeroDivisionError), unchecked_values():
        raise ZeroDivisionError
    complaint(check_pictures, picture_with(value))


def test_shapes_and_types_are_checked_always():
    with unchecked_values():
        assert "channels" in complaint(check_pictures, torch.rand(1, 4, 8, 8))
        assert "uint8" in complaint(check_pictures, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_other_threads_go_on_checking():
    with unchecked_values(), ThreadPoolExecutor(1) as pool:
        check = pool.submit(check_pictures, picture_with(float("nan")))
        assert isinstance(check.exception(), NotFiniteError)
