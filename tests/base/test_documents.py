"""Text from anywhere, as it is shown."""

import pytest

from recurzoo.base.documents import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Éléphant 猫", "Éléphant 猫"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\u202e", "a\\nb\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_nothing_steers_a_terminal(text, shown):
    assert printable(text) == shown
    assert one_line(text).isprintable()
