"""What fits into memory, and how large tiles are."""

import pytest

from impasto.runtime.compute import PROCESS_BYTES, memory_bytes
from impasto.runtime.tiles.memory_budget import Tiling, bytes_per_pixel
from model_fixtures import make_card


def test_auto_cuts_what_would_take_more_than_the_memory():
    card = make_card()
    tiling = Tiling("auto", PROCESS_BYTES + 1001 * 1000 * bytes_per_pixel(card))
    assert not tiling.applies_to(card, 1001, 1000)
    assert tiling.applies_to(card, 1002, 1000)
    assert not Tiling("off", 2**29).applies_to(card, 100_000, 100_000)
    assert Tiling(128, 2**40).applies_to(card, 10, 10)


def test_a_picture_in_bf16_takes_less_than_in_f32():
    card = make_card()
    tiling = Tiling("auto", PROCESS_BYTES + 1000 * 1000 * bytes_per_pixel(card, precision="bf16"))
    assert not tiling.applies_to(card, 999, 1001, precision="bf16")
    assert tiling.applies_to(card, 999, 1001, precision="f32")
    assert tiling.applies_to(card, 1001, 1001, precision="bf16")


def test_a_tile_the_features_and_the_rest_stay_within_the_memory():
    card = make_card()
    for amount in ("350M", "1G", "16G"):
        tiling = Tiling("auto", memory_bytes(amount))
        tile = tiling.tile_size(card) ** 2 * bytes_per_pixel(card)
        assert tile + 2 * tiling.features_bytes(card) <= tiling.memory - PROCESS_BYTES
    assert tiling.features_bytes(card) > 7 * 2**30


def test_pictures_whose_sides_divide_by_4_take_less_where_the_graph_is_rewritten():
    card = make_card()
    room = PROCESS_BYTES + 1000 * 1000 * bytes_per_pixel(card, is_cheaper=True)
    assert not Tiling("auto", room).applies_to(card, 1000, 1000)
    assert Tiling("auto", room).applies_to(card, 1000, 998)
    assert Tiling("auto", room, has_cheaper_graph=False).applies_to(card, 1000, 1000)


@pytest.mark.parametrize("num_pictures", [1, 2, 5])
def test_as_many_pictures_fit_at_once_as_their_memory_says(num_pictures):
    card = make_card()
    room = 201 * 300 * bytes_per_pixel(card)
    tiling = Tiling("auto", PROCESS_BYTES + num_pictures * room)
    assert num_pictures * tiling.share_of(card, 201, 300) == pytest.approx(1)


def test_less_memory_makes_smaller_tiles():
    card = make_card()
    sizes = [Tiling("auto", memory_bytes(m)).tile_size(card) for m in ("400M", "600M", "16G")]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] <= 1024
    assert all(size % 4 == 0 for size in sizes)
