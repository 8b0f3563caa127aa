from impasto.training.progress import Window


def test_window_averages_each_loss_over_its_steps():
    window = Window()
    window.add({"total": 1.0, "style": 4.0})
    window.add({"total": 3.0, "style": 8.0})
    assert window.num_steps == 2
    assert window.means() == {"total": 2.0, "style": 6.0}


def test_window_without_steps_has_no_means():
    assert Window().means() == {}


def test_windows_clock_runs_forward():
    window = Window()
    first = window.seconds()
    assert 0 < first <= window.seconds()


def test_windows_share_nothing():
    first, second = Window(), Window()
    first.add({"total": 1.0})
    assert second.num_steps == 0
    assert second.means() == {}
