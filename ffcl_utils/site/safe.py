"""HTML that a page may show: a result is a file, and somebody may have written a script into it."""

import re

import bleach

TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
}  # fmt: skip
ATTRIBUTES = {
    "href", "src", "alt", "title", "class", "id", "colspan", "rowspan", "scope", "tabindex",
}  # fmt: skip
_NOT_TEXT = re.compile(r"<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)


def cleaned(html: str) -> str:
    """The HTML without anything that is executed or loaded, its tables in boxes that scroll."""
    html = _NOT_TEXT.sub("", html)  # bleach would leave the text of these as a paragraph
    html = bleach.clean(
        html, TAGS, _is_shown, protocols={"http", "https", "mailto", "data"}, strip=True
    )
    # A box that scrolls has to be reached by the keyboard too.
    return _TABLE.sub(lambda found: f'<div class="scroll" tabindex="0">{found[0]}</div>', html)


def _is_shown(tag: str, name: str, value: str) -> bool:
    return name in ATTRIBUTES and (tag == "img" or not value.strip().lower().startswith("data:"))
