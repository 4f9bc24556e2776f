import pytest

from ffcl_utils.data import datasets as data
from ffcl_utils.data import files as data_files


@pytest.fixture(scope="session")
def digits():
    return data.load("mnist_5k")


@pytest.fixture
def full_data():
    """Skips the test where the full data are not on this machine."""
    missing = [path for name in data_files.FULL for path in data_files.missing_files(name)]
    if missing:
        pytest.skip(f"needs the full data: no {missing[0]} (set FFCL_DATA_DIR)")
