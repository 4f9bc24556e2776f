import os

import pytest

# One thread, as every process of this project has; before numpy and torch are imported.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from ffcl_utils.data import datasets, files  # noqa: E402
from ffcl_utils.learning.process import prepare_process  # noqa: E402


def pytest_collection_modifyitems(items):
    """Files with slow tests first: where processes share the files, none of these comes last."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums have one order, as in every process that trains."""
    prepare_process()


@pytest.fixture(scope="session")
def digits():
    return datasets.load("mnist_5k")


@pytest.fixture
def full_data():
    """Skips the test where the full data are not on this machine."""
    missing = [path for name in files.FULL for path in files.missing_files(name)]
    if missing:
        pytest.skip(f"needs the full data: no {missing[0]} (set FFCL_DATA_DIR)")
