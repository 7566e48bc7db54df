"""Reports as they print."""

from __future__ import annotations

from rich.table import Table

from recurzoo.base.records import Report


class Found(Report):
    def __rich__(self):
        table = Table("what", "how many")
        table.add_row("kernels", "12")
        return table


def test_a_report_prints_as_text_in_a_notebook_too(monkeypatch):
    plain = str(Found())
    assert "kernels" in plain
    # There Rich shows a table by itself, and would leave nothing to print.
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert str(Found()) == plain
