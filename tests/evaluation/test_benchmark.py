import json

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ModelFileError, PictureError
from impasto.evaluation.benchmark import evaluate, mismatch_warnings
from impasto.evaluation.measures import fidelity, spectrum
from impasto.evaluation.picture_sets import find_pictures
from impasto.evaluation.report import to_json, to_markdown
from impasto.evaluation.upscaling_methods import open_methods
from impasto.images.degradation import degrade
from impasto.images.resize import imresize
from impasto.metrics.fidelity import Protocol, psnr, rgb_to_luminance, ssim

PROTOCOL = Protocol(scale=4)


def evaluation_of(folder, models=(), *, protocol=PROTOCOL, measures=None, **options):
    methods = open_methods([str(m) for m in models], scale=protocol.scale, **options)
    sets = [find_pictures(folder, scale=protocol.scale)]
    return evaluate(sets, methods, measures or [fidelity(protocol)], protocol=protocol)


def planes(path, upscale):
    """Luminance of an enlargement and of its truth, step by step."""
    with Image.open(path) as image:
        grey = image.mode == "L"
        truth = np.asarray(image.convert("RGB")).astype(np.float32) / 255
    truth = truth[: truth.shape[0] // 4 * 4, : truth.shape[1] // 4 * 4]
    upscaled = upscale(degrade(truth, scale=4)).clip(0, 1)
    return [rgb_to_luminance(rgb, grey=grey)[4:-4, 4:-4] for rgb in (upscaled, truth)]


def by_bicubic(low):
    return imresize(low, width=4 * low.shape[1], height=4 * low.shape[0])


def by_repeating(low):
    return low.repeat(4, axis=0).repeat(4, axis=1)


def test_rows_are_what_the_protocol_says_step_by_step(truths, repeating):
    (scores,) = evaluation_of(truths, [repeating()]).sets
    assert [model.name for model in scores.models] == ["bicubic", "repeating"]
    for model, upscale in zip(scores.models, (by_bicubic, by_repeating), strict=True):
        for picture in model.pictures:
            plane, truth = planes(truths / f"{picture.name}.png", upscale)
            assert picture.values["psnr"] == pytest.approx(psnr(plane, truth), abs=1e-3)
            assert picture.values["ssim"] == pytest.approx(ssim(plane, truth), abs=1e-5)
        mean = np.mean([picture.values["psnr"] for picture in model.pictures])
        assert model.means["psnr"] == pytest.approx(mean)


def test_each_model_is_named_apart(repeating, tmp_path):
    first = repeating()
    second = tmp_path / "other" / "repeating.onnx"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    names = [e.name for e in open_methods([str(first), "bicubic", str(second)], scale=4)]
    assert names == ["bicubic", "repeating", str(second.with_suffix(""))]


def test_a_model_of_another_scale_is_refused(repeating):
    with pytest.raises(ModelFileError, match="upscales by 4, expected 2"):
        open_methods([str(repeating())], scale=2)


def test_matching_takes_back_a_shift_of_brightness(truths, repeating):
    models = [repeating(), repeating("brighter", bias=0.1)]
    (scores,) = evaluation_of(truths, models, matches_histogram=True).sets
    psnr = {model.name: model.means["psnr"] for model in scores.models}
    assert psnr["brighter"] < psnr["repeating"] - 1
    # Repeated pixels have the histogram of the low resolution already.
    assert psnr["repeating, matched"] == pytest.approx(psnr["repeating"], abs=0.01)
    assert psnr["brighter, matched"] == pytest.approx(psnr["repeating"], abs=0.3)


def test_a_model_given_another_degradation_than_its_own_is_told_of(truths, repeating):
    models = [repeating(), repeating("blurred", degradation="blur-bicubic")]
    (warning,) = evaluation_of(truths, models).warnings
    assert warning.startswith("blurred learned from blur-bicubic low resolution and is given bicu")
    blur = Protocol(scale=4, degradation="blur-bicubic")
    (warning,) = evaluation_of(truths, models, protocol=blur).warnings
    assert warning.startswith("repeating learned from bicubic")
    methods = open_methods([str(models[1])], scale=4)
    assert mismatch_warnings(methods, Protocol(scale=4, degradation="files")) == []


def test_pictures_smaller_than_their_border_are_refused_before_anything(truths):
    Image.new("RGB", (64, 18)).save(truths / "low.png")
    with pytest.raises(PictureError, match=r"low\.png is 64×18 pixels; 4 are cut.*11×11 are need"):
        evaluation_of(truths)
    with pytest.raises(PictureError, match="48×48 are needed"):
        evaluation_of(truths, measures=[spectrum(Protocol(scale=8))], protocol=Protocol(scale=8))


def test_the_spectrum_of_a_blurred_picture_has_less_energy_and_its_mean_is_geometric(truths):
    (scores,) = evaluation_of(truths, measures=[spectrum(PROTOCOL)]).sets
    (bicubic,) = scores.models
    assert bicubic.means["energy_2"] < 1
    values = [picture.values["peak_4"] for picture in bicubic.pictures]
    assert bicubic.means["peak_4"] == pytest.approx(np.sqrt(np.prod(values)))


def test_a_report_says_the_protocol_of_every_column(truths, repeating):
    evaluation = evaluation_of(
        truths, [repeating()], measures=[fidelity(PROTOCOL), spectrum(PROTOCOL)]
    )
    text = to_markdown(evaluation, per_picture=True)
    assert "| set | model | PSNR, dB | SSIM | energy at 2 px |" in text
    assert "| nested/grey | repeating |" in text
    for line in ("- PSNR: dB, peak 255, on Y.", "- SSIM: Wang", "- Y: luminance by MATLAB", "f32"):
        assert line in text
    content = json.loads(json.dumps(to_json(evaluation), allow_nan=False))
    keys = {"psnr", "ssim", "energy_2", "energy_4", "peak_2", "peak_4"}
    assert keys < set(content["protocol"])
    (first, second) = content["sets"][0]["models"]
    assert (first["name"], second["precision"]) == ("bicubic", "f32")
    assert set(first["pictures"][0]) == keys | {"name"}


def test_a_perfect_picture_is_infinite_in_tables_and_null_in_json(tmp_path):
    (tmp_path / "Flat").mkdir()
    Image.new("RGB", (32, 32), (90, 90, 90)).save(tmp_path / "Flat" / "flat.png")
    evaluation = evaluation_of(tmp_path / "Flat")
    assert "| Flat | bicubic | ∞ | 1.0000 |" in to_markdown(evaluation)
    assert to_json(evaluation)["sets"][0]["models"][0]["means"]["psnr"] is None
