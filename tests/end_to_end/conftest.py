import signal

import pytest


@pytest.fixture
def heard_ctrl_c():
    """Children hear Ctrl-C, also where a shell runs these tests as a deaf background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
