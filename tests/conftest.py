import contextlib
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

NOBODY = 65534

pytest_plugins = [
    "model_fixtures",
    "benchmark_fixtures",
    "training_fixtures",
    "video_fixtures",
    "web_fixtures",
]

# A busy machine must not turn a slow example into a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# Signals reach the tests, and the commands that they run, also where they run in the background.
for _name, _usual in (
    ("SIGINT", signal.default_int_handler),
    ("SIGTERM", signal.SIG_DFL),
    ("SIGHUP", signal.SIG_DFL),
):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user():
    """No test reads or fills the compiled models of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", "off")
        yield


@pytest.fixture(scope="session")
def shared_data():
    """Photographs, paintings and test vectors that are too large for the repository.

    They lie in `shared/data` beside the repository, or in `$IMPASTO_SHARED/data`.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("IMPASTO_SHARED", beside)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set IMPASTO_SHARED to where it is")
    return folder


@pytest.fixture(scope="module")
def without_grain():
    """Pictures reach the tiny models of these tests exactly as given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("impasto.runtime.grain.GRAIN", 0.0)
        yield


@pytest.fixture
def without_rights():
    """A context that acts as a user who may nothing, even if the tests run as root."""

    @contextlib.contextmanager
    def act():
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return act
