"""What a result says of the machine that it was made on."""

import psutil
import torch

from ffcl_utils.records.provenance import PACKAGES, peak_memory, surroundings


def test_the_peak_of_memory_is_at_least_what_is_held_now():
    held = psutil.Process().memory_info().rss
    assert 0.99 * held < peak_memory() * 2**20 < psutil.virtual_memory().total


def test_versions_and_threads_are_those_of_this_process():
    found = surroundings(1.26)
    assert found["versions"].keys() == {"python", *PACKAGES}
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["threads"] == torch.get_num_threads()
    assert found["seconds"] == 1.3
