"""Files of the store: what is written is read again, and nothing else passes for it."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays

from ffcl_utils.store import StoreError, store_folder
from ffcl_utils.store.networks import load_arrays, save_arrays

FLOATS = st.floats(width=32, allow_subnormal=False)  # these are zero in our processes
ARRAYS = {"weights/a": np.arange(6, dtype=np.float32).reshape(2, 3), "history/b": np.ones(4)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rule-0123" / "4.safetensors"
    save_arrays(path, ARRAYS, {"key": "rule-0123", "seed": 4})
    return path


def test_arrays_and_header_come_back(file):
    arrays, header = load_arrays(file, key="rule-0123", seed=4)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert header["seed"] == 4
    assert [path.name for path in file.parent.iterdir()] == ["4.safetensors"]


@given(
    content=st.dictionaries(
        st.text("abc/1", min_size=1, max_size=8),
        arrays(np.float32, st.integers(0, 5), elements=FLOATS),
        max_size=4,
    )
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_arrays_come_back_to_the_last_bit(content, tmp_path):
    save_arrays(tmp_path / "x", content, {"seed": 1})
    read, _ = load_arrays(tmp_path / "x", seed=1)
    assert {n: a.tobytes() for n, a in read.items()} == {n: a.tobytes() for n, a in content.items()}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_arrays(tmp_path / "nothing")


@pytest.mark.parametrize("expected", [{"seed": 5}, {"key": "rule-9999"}, {"other": 1}])
def test_a_file_of_another_seed_or_key_is_refused(file, expected):
    with pytest.raises(StoreError, match=r"4\.safetensors has"):
        load_arrays(file, **expected)


@pytest.mark.parametrize("cut", [0, 4, 60, 200, -1, -20])
def test_a_truncated_file_is_refused(file, cut):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(StoreError, match="is damaged"):
        load_arrays(file)


def test_every_flipped_byte_is_noticed(file):
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        with pytest.raises(StoreError):
            load_arrays(file, key="rule-0123", seed=4)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(path, content):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_arrays(tmp_path / "k" / "1.safetensors", ARRAYS, {})
    assert list((tmp_path / "k").iterdir()) == []


def test_the_store_is_where_it_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("FFCL_STORE", str(tmp_path))
    assert store_folder() == tmp_path
    monkeypatch.setenv("FFCL_STORE", "")
    assert store_folder() is None
    monkeypatch.delenv("FFCL_STORE")
    assert store_folder().name == "trained"
