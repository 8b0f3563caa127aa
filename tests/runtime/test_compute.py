"""How models are run: which settings are taken, and what they mean."""

from typing import get_type_hints

import pytest

from impasto.errors import SettingError
from impasto.runtime import compute
from impasto.runtime.compute import PROCESS_BYTES, Compute, ComputeKeywords, memory_bytes


def test_every_setting_can_be_given_as_a_keyword_too():
    assert get_type_hints(ComputeKeywords) == get_type_hints(Compute)


@pytest.mark.parametrize("name", ["num_threads", "batch_size", "num_requests"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(SettingError, match=f"{name} is 0, expected 1 or more"):
        Compute(**{name: 0})


@pytest.mark.parametrize("settings", [{"precision": "f64"}, {"backend": "tpu"}])
def test_unknown_names_are_refused(settings):
    ((name, value),) = settings.items()
    with pytest.raises(SettingError, match=f"{name} is '{value}', expected"):
        Compute(**settings)


def test_amounts_of_memory():
    assert memory_bytes("512M") == 512 * 2**20
    assert memory_bytes("1.5G") == memory_bytes("1.5GiB") == 3 * 2**29
    assert memory_bytes(2**30) == memory_bytes("1g") == 2**30


@pytest.mark.parametrize("given", ["", "much", "-1G", "1 X", "12", "64M"])
def test_other_amounts_are_refused(given):
    with pytest.raises(SettingError, match="memory is"):
        memory_bytes(given)
    with pytest.raises(SettingError, match="memory is"):
        Compute(memory=given)


@pytest.mark.parametrize("tile", ["often", 0, 64, 100_000, True])
def test_tiles_out_of_range_are_refused(tile):
    with pytest.raises(SettingError, match="tile is"):
        Compute(tile=tile)


def test_auto_is_a_share_of_the_memory_that_is_free(monkeypatch):
    monkeypatch.setattr(compute, "free_memory", lambda: 10 * 2**30)
    assert memory_bytes("auto") == 6 * 2**30
    assert memory_bytes("auto", num_processes=2) == 3 * 2**30
    monkeypatch.setattr(compute, "free_memory", lambda: 2**20)  # then the least that works
    assert memory_bytes("auto") == memory_bytes(PROCESS_BYTES + 50 * 2**20)
    monkeypatch.setattr(compute, "free_memory", lambda: None)
    assert memory_bytes("auto") == 2**30
