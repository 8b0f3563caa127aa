import os
import signal
import threading

import pytest

from impasto.training.interruption import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_asks_for_a_stop(number):
    stop = threading.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(timeout=10)


def test_second_ctrl_c_stops_at_once():
    with stop_on_signals(threading.Event()), pytest.raises(KeyboardInterrupt):
        press_ctrl_c(times=2)


def press_ctrl_c(*, times):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(timeout=0.1)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals(threading.Event()):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_do_without():
    failures = []

    def enter():
        try:
            with stop_on_signals(threading.Event()):
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert failures == []
