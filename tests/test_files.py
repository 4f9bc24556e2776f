"""Files are written whole or not at all."""

import errno
import json
from pathlib import Path

import pytest

from ffcl_utils.errors import UserError
from ffcl_utils.files import OutputError, check_writable, read_json, write_json, write_whole


def fails_half_way(path):
    path.write_text("half a res")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file" / "out", Path("/proc/out")):
        with pytest.raises(OutputError, match=r"cannot write to the output folder .*out"):
            check_writable(folder)


def test_a_full_disk_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "metrics.json", fails_half_way)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_what_was_there(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a.json", fails_half_way)
    assert (tmp_path / "a.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_of_the_old_file_never_sees_a_part_of_the_new_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with path.open() as reader:
        write_whole(path, lambda temporary: temporary.write_text("new"))
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_content_that_is_no_json_keeps_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"new": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}


def test_json_comes_back_as_it_was(tmp_path):
    content = {"ä": [1, 0.1, None, True]}
    write_json(tmp_path / "new" / "a.json", content)
    assert read_json(tmp_path / "new" / "a.json") == content
    assert "ä" in (tmp_path / "new" / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00"])
def test_a_broken_json_file_is_named(tmp_path, content):
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        read_json(tmp_path / "metrics.json")
