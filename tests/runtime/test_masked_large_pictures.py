"""Photographs stylized by a mask window by window become what whole ones become."""

import numpy as np
import pytest
from PIL import Image

from impasto import Stylizer
from impasto.errors import OutputExistsError, PictureError
from impasto.images.files.io import load_picture
from impasto.runtime.masks import Mask
from impasto.runtime.stylizer import StyleSettings
from impasto.runtime.transformation import Stylization
from model_fixtures import BLUR, make_model_file

pytestmark = pytest.mark.usefixtures("without_grain")

SETTINGS = {"strength": 0.75, "keep_colors": True}


def styles(tile):
    """The style of negatives and one that blurs."""
    models = make_model_file(), make_model_file(kernel=BLUR, bias=0.0)
    return [Stylizer(model, precision="f32", tile=tile) for model in models]


def photograph(path, mode="RGB", height=140, width=301):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(path)
    return path


def ring(height=93, width=200):
    """White around the middle, with a soft edge; of another size than the photograph."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return np.clip((50 - distance) / 20, 0, 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("has_style_outside", [False, True])
def test_a_file_by_windows_is_the_file_of_the_whole_picture(tmp_path, mode, has_style_outside):
    photo, target = photograph(tmp_path / "photo.png", mode), tmp_path / "out.png"
    inside, other = styles(tile=136)
    outside = other if has_style_outside else None
    stylization = Stylization(inside, StyleSettings(**SETTINGS), mask=Mask(ring()), outside=outside)
    large = stylization.find_large(photo, target)
    assert large is not None
    stylization.transform_large(large)
    inside, other = styles(tile="off")
    outside = other if has_style_outside else None
    expected = inside.stylize(load_picture(photo), mask=ring(), outside=outside, **SETTINGS)
    with Image.open(target) as image:
        found = np.asarray(image).astype(int)
    # Half a grey level of the result, and as much of the second style's file.
    assert np.abs(found[..., :3] - expected.rgb * 255).max() <= (1.02 if outside else 0.51)
    if mode == "RGBA":
        np.testing.assert_array_equal(found[..., 3], np.asarray(Image.open(photo))[..., 3])
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", "out.png"}


def test_the_photograph_stays_outside_to_the_bit(tmp_path):
    photo, target = photograph(tmp_path / "photo.png"), tmp_path / "out.png"
    stylization = Stylization(styles(tile=136)[0], mask=Mask(ring()))
    stylization.transform_large(stylization.find_large(photo, target))
    before, after = (np.asarray(Image.open(path)) for path in (photo, target))
    np.testing.assert_array_equal(after[:, :60], before[:, :60])
    np.testing.assert_array_equal(after[65:75, 145:155], 255 - before[65:75, 145:155])


def test_the_mask_follows_a_photograph_that_is_resized(tmp_path):
    photo, target = tmp_path / "photo.png", tmp_path / "out.png"
    Image.new("RGB", (301, 140), (10, 100, 200)).save(photo)
    mask = np.zeros((140, 301), bool)
    mask[:, :150] = True
    stylization = Stylization(styles(tile=136)[0], StyleSettings(size=602), mask=Mask(mask))
    stylization.transform_large(stylization.find_large(photo, target))
    found = np.asarray(Image.open(target))
    assert found.shape == (280, 602, 3)
    assert np.unique(found[:, :298].reshape(-1, 3), axis=0).tolist() == [[245, 155, 55]]
    assert np.unique(found[:, 302:].reshape(-1, 3), axis=0).tolist() == [[10, 100, 200]]


def test_errors_come_before_the_work(tmp_path):
    photo, target = photograph(tmp_path / "photo.png"), tmp_path / "out.png"
    inside, outside = styles(tile=136)

    def run(mask):
        stylization = Stylization(inside, mask=Mask(mask), outside=outside)
        large = stylization.find_large(photo, target)
        progress = []
        try:
            stylization.transform_large(large, progress=lambda *it: progress.append(it))
        finally:
            assert not progress

    with pytest.raises(PictureError, match="expected the same aspect ratio"):
        run(np.ones((100, 100)))
    target.write_bytes(b"somebody's")
    with pytest.raises(OutputExistsError):
        run(ring())
    assert target.read_bytes() == b"somebody's"
