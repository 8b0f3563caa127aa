from impasto.training.progress import StepSums


def test_sums_averages_each_loss_over_its_steps():
    sums = StepSums()
    sums.add({"total": 1.0, "style": 4.0})
    sums.add({"total": 3.0, "style": 8.0})
    assert sums.num_steps == 2
    assert sums.means() == {"total": 2.0, "style": 6.0}


def test_sums_without_steps_has_no_means():
    assert StepSums().means() == {}


def test_sumss_clock_runs_forward():
    sums = StepSums()
    first = sums.seconds()
    assert 0 < first <= sums.seconds()


def test_sumss_share_nothing():
    first, second = StepSums(), StepSums()
    first.add({"total": 1.0})
    assert second.num_steps == 0
    assert second.means() == {}
