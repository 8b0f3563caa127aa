"""Where tiles lie: pure geometry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import SettingError
from impasto.runtime.tiles.grid import Span, plan_grid


def spans(length, size, *, halo=8, stride=4):
    grid = plan_grid(length, 16, tile_height=size, tile_width=size, halo=halo, stride=stride)
    return grid.rows


def test_tiles_of_a_known_axis():
    # 50 = 12·4 + 2. Tiles of up to 40, halo 8: 24 pixels a step at most; 50 - 2 - 16 = 32 inner
    # pixels take two steps of 16; each tile has 16 + 16 + 2 = 34 pixels.
    assert spans(50, 40) == (Span(0, 34, 0, 24), Span(16, 50, 24, 50))


def test_a_picture_that_fits_is_one_tile():
    assert spans(40, 40) == (Span(0, 40, 0, 40),)
    assert spans(1, 40) == (Span(0, 1, 0, 1),)


@given(
    length=st.integers(1, 3000),
    size=st.integers(60, 500),
    halo=st.integers(0, 24),
    stride=st.sampled_from([1, 2, 4]),
)
def test_cores_cover_an_axis_once_behind_whole_halos(length, size, halo, stride):
    found = spans(length, size, halo=halo, stride=stride)
    assert [span.core_start for span in found] == [0, *(span.core_stop for span in found[:-1])]
    assert found[-1].core_stop == length
    assert {span.size for span in found} == {found[0].size}
    assert found[0].size <= size + stride
    for span in found:
        assert span.start % stride == 0
        assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= length
        assert span.start == 0 or span.core_start - span.start >= halo
        assert span.stop == length or span.stop - span.core_stop >= halo
        assert span.core_stop % stride == 0 or span.core_stop == length


def test_tiles_that_would_be_all_halo_are_refused():
    with pytest.raises(SettingError, match="give at least 20"):
        spans(100, 18)
