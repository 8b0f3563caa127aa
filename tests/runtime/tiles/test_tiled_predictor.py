"""Tiles are the whole picture's: exactly for super-resolution, to 50 dB with instance norm."""

import errno
import io
import itertools
import os
import threading

import numpy as np
import pytest
from onnx import TensorProto, helper

from impasto.errors import ModelFileError, PictureFileError
from impasto.runtime.grain import with_grain, with_grain_of_window
from impasto.runtime.predictor import Predictor
from impasto.runtime.tiles import staged_run
from impasto.runtime.tiles.staged_backend import TileBackend
from impasto.runtime.tiles.stored_features import FeaturesOnDisk
from impasto.runtime.tiles.tiled_predictor import ArraySource, TiledPredictor
from impasto.zoo.model_file import MODEL_METADATA_KEY, model_from_bytes
from impasto.zoo.registry import resolve_model
from model_fixtures import (
    BLUR,
    NEAREST,
    PROCESSOR_PRECISIONS,
    make_card,
    make_model_file,
    onnx_of,
    psnr,
)


def picture(height, width):
    """Left dark and smooth, right bright and rough: naive tiles would differ much."""
    rng = np.random.default_rng(0)
    smooth = np.linspace(0, 0.3, width)[None, :, None] + np.zeros((height, 1, 3))
    rough = 0.6 + 0.4 * rng.random((height, width, 3))
    return np.where(np.arange(width)[None, :, None] < width / 2, smooth, rough).astype(np.float32)


def tiled(model, rgb, tile, *, precision="f32"):
    predictor = TiledPredictor(model, precision=precision)
    source, scale = ArraySource(rgb), model.card.scale
    grid = predictor.plan(source, tile_height=tile, tile_width=tile)
    result = np.full((rgb.shape[0] * scale, rgb.shape[1] * scale, 3), np.nan, np.float32)
    told = []
    for part in predictor.parts(source, grid, progress=lambda *count: told.append(count)):
        rows = slice(part.rows.start * scale, part.rows.stop * scale)
        columns = slice(part.columns.start * scale, part.columns.stop * scale)
        result[rows, columns] = part.rgb
    assert told == [(i + 1, len(told)) for i in range(len(told))]
    return result, grid


@pytest.mark.parametrize(("height", "width"), [(131, 150), (1, 170), (20, 402)])
def test_a_style_in_tiles_is_the_style_of_the_whole_picture(height, width):
    model, rgb = resolve_model("starry_night"), picture(height, width)
    result, grid = tiled(model, rgb, 72)
    whole = Predictor(model, precision="f32")(rgb)
    assert len(grid.tiles) > 2
    assert psnr(result, whole) > 50
    assert np.abs(result - whole).max() < 2 / 255


@pytest.mark.parametrize("precision", PROCESSOR_PRECISIONS)
@pytest.mark.parametrize("name", ["udnie", "great_wave", "faithful_x4"])
def test_tiles_are_the_whole_picture_in_every_precision(name, precision):
    model, rgb = resolve_model(name), picture(131, 150)
    result, _ = tiled(model, rgb, 72, precision=precision)
    assert psnr(result, Predictor(model, precision=precision)(rgb)) > 40


def test_features_in_memory_and_on_the_disk_give_the_same_picture(tmp_path):
    rgb = picture(131, 150)
    predictor = TiledPredictor(resolve_model("starry_night"), precision="f32")
    grid = predictor.plan(ArraySource(rgb), tile_height=72, tile_width=72)

    def made(memory):
        parts = predictor.parts(ArraySource(rgb), grid, folder=tmp_path, memory=memory)
        files, rows = 0, []
        for part in parts:
            files = max(files, sum(path.is_file() for path in tmp_path.rglob("*")))
            rows.append(part.rgb)
        return files, rows

    on_disk, in_both, in_memory = made(0), made(500_000), made(2**30)
    assert (on_disk[0], in_memory[0]) == (1, 0)
    for part, other, expected in zip(in_both[1], in_memory[1], on_disk[1], strict=True):
        np.testing.assert_array_equal(part, expected)
        assert psnr(other, expected) > 60  # its middle went through whole


@pytest.mark.parametrize(("memory", "num_stages"), [(0, 16), (2**30, 7)])
@pytest.mark.parametrize("precision", PROCESSOR_PRECISIONS)
def test_the_middle_goes_through_whole_where_it_fits(precision, memory, num_stages):
    model, rgb = resolve_model("starry_night"), picture(131, 150)
    predictor, source = TiledPredictor(model, precision=precision), ArraySource(rgb)
    grid = predictor.plan(source, tile_height=72, tile_width=72)
    result, told = np.empty_like(rgb), []
    for part in predictor.parts(
        source, grid, memory=memory, progress=lambda *count: told.append(count)
    ):
        result[part.rows, part.columns] = part.rgb
    assert psnr(result, Predictor(model, precision=precision)(rgb)) > 44
    num_tiles = len(grid.tiles)
    total = num_stages * num_tiles if num_stages == 16 else 6 * num_tiles + 1
    assert told == [(done + 1, total) for done in range(total)]


@pytest.mark.parametrize(("memory", "num_stages"), [(0, 16), (2**30, 7)])
def test_stages_stay_compiled_for_pictures_upright_and_lying(monkeypatch, memory, num_stages):
    compiled = []
    compile_stage = TileBackend._compile_stage
    monkeypatch.setattr(
        TileBackend,
        "_compile_stage",
        lambda *given: compiled.append(given) or compile_stage(*given),
    )
    predictor = TiledPredictor(resolve_model("starry_night"), precision="f32")
    for height, width in ((131, 150), (150, 131)) * 2:
        source = ArraySource(picture(height, width))
        grid = predictor.plan(source, tile_height=72, tile_width=72)
        assert sum(part.rgb.size for part in predictor.parts(source, grid, memory=memory))
    assert len(compiled) == 2 * num_stages


def test_stages_are_compiled_once_for_pictures_of_one_size(monkeypatch):
    num_compiled = 0
    compile_stage = TileBackend._compile_stage

    def counted(*arguments):
        nonlocal num_compiled
        num_compiled += 1
        return compile_stage(*arguments)

    monkeypatch.setattr(TileBackend, "_compile_stage", counted)
    model = resolve_model("starry_night")
    predictor = TiledPredictor(model, precision="f32")
    for seed in range(2):
        rgb = np.random.default_rng(seed).random((131, 150, 3), dtype=np.float32)
        source = ArraySource(rgb)
        grid = predictor.plan(source, tile_height=72, tile_width=72)
        result = np.empty_like(rgb)
        for part in predictor.parts(source, grid):
            result[part.rows, part.columns] = part.rgb
        assert psnr(result, Predictor(model, precision="f32")(rgb)) > 50  # each by its own means
        assert num_compiled == 16


@pytest.mark.parametrize("scale", [2, 4])
def test_super_resolution_in_tiles_is_exact(scale):
    card = make_card(task="super-resolution", scale=scale)
    model = make_model_file(card=card, kernel=BLUR, bias=0.0, scale=scale)
    rgb = picture(75, 91)
    result, grid = tiled(model, rgb, 48)
    assert len(grid.tiles) > 4
    np.testing.assert_allclose(result, Predictor(model, precision="f32")(rgb), atol=1e-6)


def test_a_network_without_norms_needs_one_pass():
    model = make_model_file(kernel=BLUR, bias=0.0)
    result, _ = tiled(model, picture(140, 151), 136)
    whole = Predictor(model, precision="f32")(picture(140, 151))
    np.testing.assert_allclose(result, whole, atol=1e-6)


def test_a_network_that_sums_is_refused():
    with pytest.raises(ModelFileError, match="cannot be run in tiles"):
        TiledPredictor(resolve_model("srcnn_x4"))


@pytest.mark.parametrize("width", [16, 17])
def test_a_part_has_the_grain_of_the_whole(width):
    rgb = np.full((13, width, 3), 0.5, np.float32)
    whole = with_grain(rgb[np.newaxis])[0]
    for top, left in ((0, 0), (3, 5), (5, 4), (12, width - 1)):
        part = with_grain_of_window(rgb[top:, left:], width=width, top=top, left=left)
        np.testing.assert_array_equal(part, whole[top:, left:])


def test_features_on_disk_come_back(tmp_path):
    file = FeaturesOnDisk(tmp_path / "features", (6, 9, 2))
    values = np.random.default_rng(0).normal(size=(6, 5, 2)).astype(np.float16)
    file.write(slice(0, 6), slice(4, 9), values)
    np.testing.assert_array_equal(file.read(slice(1, 4), slice(5, 9)), values[1:4, 1:])
    file.delete()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_told_of(tmp_path, monkeypatch):
    file = FeaturesOnDisk(tmp_path / "features", (6, 9, 2))

    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file.delete()
    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(
        PictureFileError, match=r"cannot hold 216 bytes of .*disk is full; make room"
    ):
        file.write(slice(0, 1), slice(0, 9), np.zeros((1, 9, 2), np.float16))


@pytest.mark.parametrize("failing", [8, 9])
def test_no_write_that_fails_is_passed_over(failing, tmp_path, monkeypatch):
    # A residual block's stage writes two features a tile: its input and its own.
    num_writes, write = itertools.count(), FeaturesOnDisk.write

    def fail_once(self, *args):
        if next(num_writes) == failing:
            raise PictureFileError("the disk is full")
        write(self, *args)

    monkeypatch.setattr(FeaturesOnDisk, "write", fail_once)
    predictor = TiledPredictor(resolve_model("starry_night"), precision="f32")
    source = ArraySource(picture(100, 110))
    grid = predictor.plan(source, tile_height=128, tile_width=128)
    with pytest.raises(PictureFileError, match="the disk is full"):
        list(predictor.parts(source, grid, folder=tmp_path, memory=0))


def test_a_small_spread_around_a_large_mean_is_kept(monkeypatch):
    model, rgb = network_with_large_means(), picture(132, 152)
    whole = Predictor(model, precision="f32")(rgb)
    assert whole.std() > 0.1
    result, _ = tiled(model, rgb, 72)
    # float16 alone has steps of 2 there; without a pivot little of the picture is left.
    assert np.abs(result - whole).max() < 0.02  # float32 itself loses some of it in either
    monkeypatch.setattr(staged_run, "_choose_pivots", lambda _files, _first: False)
    assert np.abs(tiled(model, rgb, 72)[0] - whole).max() > 0.1


def network_with_large_means():
    """Halved by a convolution that adds 4000, enlarged again, both times normalised."""
    weights = np.random.default_rng(0).normal(0, 1, (3, 3, 3, 3)).astype(np.float16)
    constants = {
        "w1_half": weights,
        "w2_half": np.eye(3, dtype=np.float16)[:, :, None, None],
        "bias": np.full(3, 4000, np.float32),
        "one": np.ones(3, np.float32),
        "nothing": np.zeros(3, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "low": np.array(0, np.float32),
        "high": np.array(1, np.float32),
        "sixth": np.array(1 / 6, np.float32),
        "half": np.array(0.5, np.float32),
        **{f"row{number}": np.array([number], np.int64) for number in (0, 1, 2, 3)},
    }
    node = helper.make_node

    def cut(given, result, axis):
        """To the height or width of the picture, which may be odd."""
        size = f"size{axis}"
        return [
            node("Shape", ["image"], [size], start=axis, end=axis + 1),
            node("Slice", [given, "row0", size, f"row{axis}", "row1"], [result]),
        ]

    nodes = [
        node("Cast", ["w1_half"], ["w1"], to=TensorProto.FLOAT),
        node("Cast", ["w2_half"], ["w2"], to=TensorProto.FLOAT),
        node("Conv", ["image", "w1", "bias"], ["first"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["first", "one", "nothing"], ["n1"], epsilon=1e-3),
        node("Relu", ["n1"], ["r1"]),
        node("Resize", ["r1", "", "scales"], ["doubled"], **NEAREST),
        *cut("doubled", "rows", 2), *cut("rows", "enlarged", 3),
        node("Conv", ["enlarged", "w2"], ["second"]),
        node("InstanceNormalization", ["second", "one", "nothing"], ["n2"], epsilon=1e-3),
        node("Mul", ["n2", "sixth"], ["narrow"]),
        node("Add", ["narrow", "half"], ["centred"]),
        node("Clip", ["centred", "low", "high"], ["result"]),
    ]  # fmt: skip
    model = onnx_of(nodes, constants, metadata={MODEL_METADATA_KEY: make_card().to_json()})
    return model_from_bytes(model.SerializeToString())


def test_the_picture_is_read_by_the_thread_that_asks_for_its_parts():
    rgb = picture(140, 151)
    threads = set()

    class Source(ArraySource):
        def window(self, rows, columns):
            threads.add(threading.get_ident())
            return super().window(rows, columns)

    predictor, source = TiledPredictor(resolve_model("starry_night")), Source(rgb)
    grid = predictor.plan(source, tile_height=128, tile_width=128)
    assert sum(part.rgb.size for part in predictor.parts(source, grid)) == rgb.size
    assert threads == {threading.get_ident()}
