"""Equations become MathML, and nothing but MathML gets into a page with them."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcl_utils.site.equations import ELEMENTS, mathml

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"


def words(latex):
    """The elements and texts of an equation, in their order."""
    root = ElementTree.fromstring(mathml(latex, "inline"))
    return [(e.tag.removeprefix(NAMESPACE), (e.text or "").strip()) for e in root.iter()]


def test_a_fraction_and_a_root_are_what_they_are():
    # By hand: MathML 3, chapter 3.3.
    assert words(r"\frac{1}{\sqrt{n}}")[2:] == [
        ("mfrac", ""), ("mrow", ""), ("mn", "1"), ("mrow", ""), ("msqrt", ""), ("mrow", ""),
        ("mi", "n"),
    ]  # fmt: skip


def test_display_is_said():
    assert 'display="block"' in mathml("x", "block")


@pytest.mark.parametrize(
    "latex",
    [r"\text{<script>alert(1)</script>}", r"\href{javascript:alert(1)}{x}", r"\frac{", r"\left("],
)
def test_what_is_no_equation_is_shown_as_it_is(latex):
    shown = mathml(latex, "inline")
    assert shown.startswith("<code>") and "<script" not in shown and "href=" not in shown


@given(st.text(alphabet=r"\{}^_&<>'\"$ abxtehrfsc=:()1", max_size=40))
def test_whatever_is_written_brings_in_mathml_or_text(latex):
    shown = mathml(latex, "inline")
    names = {e.tag.removeprefix(NAMESPACE) for e in ElementTree.fromstring(shown).iter()}
    assert names <= ELEMENTS or names == {"code"}
