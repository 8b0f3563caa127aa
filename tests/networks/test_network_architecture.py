"""What a network is made of, as data."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.networks.architecture import MINIMUM_SIZE, NetworkArchitecture

widths = st.tuples(*[st.integers(1, 1024)] * 3)


def test_the_default_is_half_the_papers_width_with_five_blocks():
    architecture = NetworkArchitecture()
    assert architecture.kind == "default"
    assert architecture.channels == (16, 32, 64)
    assert architecture.num_residual_blocks == 5


def test_the_smallest_picture_is_sixteen_pixels():
    assert MINIMUM_SIZE == 16


@given(widths, st.integers(0, 64))
def test_an_architecture_survives_json(channels, num_residual_blocks):
    architecture = NetworkArchitecture(channels=channels, num_residual_blocks=num_residual_blocks)
    assert NetworkArchitecture.model_validate_json(architecture.model_dump_json()) == architecture


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "unet"}, "'default' or 'paper'"),
        ({"channels": (16, 32)}, "channels"),
        ({"channels": (16, 32, 0)}, "greater than or equal to 1"),
        ({"channels": (16, 32, 1025)}, "less than or equal to 1024"),
        ({"num_residual_blocks": -1}, "greater than or equal to 0"),
        ({"num_residual_blocks": 65}, "less than or equal to 64"),
        ({"width": 32}, "Extra inputs are not permitted"),
        ({"kind": "paper", "num_residual_blocks": 4}, "exactly 5 residual blocks"),
    ],
)
def test_what_no_network_can_be_built_of_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        NetworkArchitecture(**fields)


def test_an_architecture_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        NetworkArchitecture().kind = "paper"


def test_reading_an_architecture_does_not_load_torch():
    code = "import sys, impasto.networks.architecture; print('torch' in sys.modules)"
    answer = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert answer.strip() == "False"
