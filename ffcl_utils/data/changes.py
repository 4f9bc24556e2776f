"""Named changes of the training data; the test data stay as they are."""

import re

_WITHOUT_CLASS = re.compile(r"without_class:(\d)")


def check_change(change: str) -> None:
    """Raise ValueError unless `change` is "" (none) or "without_class:<label>"."""
    if change and not _WITHOUT_CLASS.fullmatch(change):
        raise ValueError(f"unknown change {change!r} of the data: '' or 'without_class:<label>'")


def class_left_out(change: str) -> int | None:
    """The label that a change takes out of the training data, if any."""
    match = _WITHOUT_CLASS.fullmatch(change)
    return int(match[1]) if match else None
