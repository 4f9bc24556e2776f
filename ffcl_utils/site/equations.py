"""Equations as MathML, which browsers draw themselves: no script, no fonts, no network."""

import html
from xml.etree import ElementTree

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

ELEMENTS = {
    "math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow",
    "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr",
    "munder", "munderover",
}  # fmt: skip
ATTRIBUTES = {
    "accent", "columnalign", "columnspacing", "depth", "display", "displaystyle", "fence", "form",
    "height", "linethickness", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits",
    "notation", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "voffset", "width",
}  # fmt: skip
_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"


def setup(app) -> dict:
    """Sphinx's entrance: the renderer of equations that `html_math_renderer` names."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mathml(latex: str, display: str) -> str:
    """LaTeX as a MathML element; display: "inline" or "block".

    What is no LaTeX, or would bring anything else than MathML into the page, is shown as it is.
    """
    try:
        made = convert(latex, display=display)
        if all(map(_is_mathml, ElementTree.fromstring(made).iter())):
            return made
    except Exception:  # the converter's errors have no class in common
        pass
    return f"<code>{html.escape(latex)}</code>"


def _is_mathml(element: ElementTree.Element) -> bool:
    named = element.tag.startswith(_NAMESPACE) and element.tag.removeprefix(_NAMESPACE) in ELEMENTS
    return named and element.attrib.keys() <= ATTRIBUTES


def _inline(translator, node) -> None:
    translator.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def _block(translator, node) -> None:
    translator.body.append(
        f'<div class="equation" tabindex="0">{mathml(node.astext(), "block")}</div>'
    )
    raise SkipNode
