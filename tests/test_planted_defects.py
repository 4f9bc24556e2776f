"""Every defect that `planted_defects.py` plants still has its line."""

import pytest

from tests.planted_defects import DEFECTS, ROOT


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_the_line_is_there_once(defect):
    text = (ROOT / "ffcl_utils" / defect.file).read_text(encoding="utf-8")
    assert text.count(defect.before) == 1
    assert defect.before != defect.after
    assert (ROOT / defect.tests).exists()
