import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small lose more to waiting for a second thread than it computes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
