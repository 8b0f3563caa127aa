import pytest
import torch

from impasto.errors import NotFiniteError, PictureError, SettingError
from impasto.losses.spectrum import (
    GridSpectrumLoss,
    SpectrumLoss,
    grid_spectrum_loss,
    spectrum_loss,
)


def noise(seed, *, strength=0.1, num_pictures=2):
    """Grey pictures of 64×64, white noise around 0.5."""
    generator = torch.Generator().manual_seed(seed)
    grey = 0.5 + strength * (torch.rand(num_pictures, 1, 64, 64, generator=generator) - 0.5)
    return grey.expand(-1, 3, -1, -1)


@pytest.mark.parametrize("loss", [spectrum_loss, grid_spectrum_loss])
def test_spectrum_losses_of_a_power_four_times_the_targets(loss):
    # r = ¼ at every frequency, whatever the phases: ¼ + log 4 − 1 = 0.6363; and the other way round
    # 4 − log 4 − 1 = 1.6137. The grey level of noise in both hardly counts where pictures vary by
    # 128 and 64 of them.
    strong, weak = noise(0, strength=0.5), noise(0, strength=0.25)
    assert loss(strong, weak).item() == pytest.approx(0.6363, rel=0.01)
    assert loss(weak, strong).item() == pytest.approx(1.6137, rel=0.01)
    assert loss(strong, strong).item() == 0


def test_spectrum_loss_sees_blur_and_no_brightness():
    target = noise(1)
    other = spectrum_loss(noise(2), target)  # as much detail, and none of it the same
    blurred = torch.nn.functional.avg_pool2d(target, 3, stride=1, padding=1)
    assert spectrum_loss(blurred, target) > 5 * other
    torch.testing.assert_close(spectrum_loss(noise(2) + 0.2, target), other)


def test_grid_spectrum_loss_sees_a_faint_grid_of_its_period_and_a_lack_of_power_there():
    target = noise(1, num_pictures=8)
    other = grid_spectrum_loss(noise(2, num_pictures=8), target)
    gridded = noise(2, num_pictures=8).clone()
    gridded[..., ::4] += 0.02
    assert grid_spectrum_loss(gridded, target) > 5 * other
    assert grid_spectrum_loss(gridded, target, period=2) > 1.5 * grid_spectrum_loss(
        noise(2, num_pictures=8), target, period=2
    )
    # A row of a period's length has no power at that period's frequencies once it is averaged.
    notched = torch.nn.functional.avg_pool2d(target, (1, 5), stride=1, padding=(0, 2))
    assert grid_spectrum_loss(notched, target) > 5 * other


def test_spectrum_loss_ignores_what_is_far_below_a_grey_level():
    flat = torch.full((1, 3, 32, 32), 0.5)
    faint = flat + 1e-4 * (noise(3, num_pictures=1)[..., :32, :32] - 0.5)
    for loss in (spectrum_loss, grid_spectrum_loss):
        assert loss(faint, flat).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [spectrum_loss, grid_spectrum_loss])
def test_gradients_of_the_spectrum_losses_are_right(loss):
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 3, 12, 8, dtype=torch.float64, generator=generator)
    pictures = torch.rand(1, 3, 12, 8, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(
        lambda given: loss(given, target, window=8), pictures.requires_grad_()
    )


def test_spectrum_losses_refuse_what_does_not_fit():
    pictures = torch.rand(1, 3, 31, 40)
    for refused in (
        lambda: spectrum_loss(pictures, pictures),
        lambda: grid_spectrum_loss(pictures, pictures),
    ):
        with pytest.raises(PictureError, match="40×31 pixels; the spectrum of windows of 32 needs"):
            refused()
    for refused in (lambda: SpectrumLoss(window=31), lambda: GridSpectrumLoss(window=4)):
        with pytest.raises(SettingError, match="expected an even number of 8 or more pixels"):
            refused()
    with pytest.raises(SettingError, match="period of the grid is 3; expected a divisor of the"):
        GridSpectrumLoss(period=3)
    with pytest.raises(SettingError, match="the period of the grid is 1"):
        grid_spectrum_loss(noise(0), noise(1), period=1)
    with pytest.raises(NotFiniteError):
        spectrum_loss(torch.full((1, 3, 32, 32), float("nan")), torch.rand(1, 3, 32, 32))


def test_spectrum_modules_are_the_functions():
    pictures, target = noise(0), noise(1)
    torch.testing.assert_close(
        SpectrumLoss(window=16)(pictures, target), spectrum_loss(pictures, target, window=16)
    )
    torch.testing.assert_close(
        GridSpectrumLoss(window=16, period=2)(pictures, target),
        grid_spectrum_loss(pictures, target, window=16, period=2),
    )
