"""HTML of a result is cleaned of what is executed, and keeps what a reader needs."""

import pytest

from ffcl_utils.site.safe import cleaned


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<style>p { background: url(http://example.org) }</style>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='data:text/html,x'>x</a>",
        "<iframe src='http://example.org'></iframe>",
        "<svg onload=alert(1)></svg>",
        "<p style='position:fixed'>x</p>",
    ],
)
def test_what_is_executed_or_loaded_goes(text):
    shown = cleaned(text)
    for word in ("alert(1)", "javascript", "data:", "example.org", "position", "onerror", "onload"):
        assert word not in shown or shown == "&lt;svg"


def test_a_table_stays_and_can_be_scrolled_with_the_keyboard():
    table = '<table class="dataframe"><tbody><tr><td colspan="2">1 &lt; 2</td></tr></tbody></table>'
    assert cleaned(table) == f'<div class="scroll" tabindex="0">{table}</div>'


def test_an_image_of_the_site_stays_with_its_alternative():
    image = '<figure><a href="a/b.svg"><img src="a/b.svg" alt="what it shows"></a></figure>'
    assert cleaned(image) == image
