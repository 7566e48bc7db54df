"""What the rules of several families are made of."""

from recurzoo.families.grammar import can_share, is_count


def test_how_many_templates_can_be_shared():
    assert [number for number in (None, "all", 0, 1, 4, 5, 1.0, "x") if can_share(4, number)] == [None, "all", 1, 4]
    assert not can_share(0, "all")
    assert can_share(0, None)


def test_counts():
    assert [number for number in (-1, 0, 1, 2, 1.0, "1", None) if is_count(number)] == [1, 2]
    assert is_count(0, least=0)
