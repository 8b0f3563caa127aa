import pytest
from exported_models import exported_models


@pytest.fixture(scope="session")
def exported():
    """Model files of every architecture, and their quantized forms; to export takes seconds."""
    return exported_models()
