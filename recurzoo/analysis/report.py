"""What an analysis found: a plain record, the tables and the figures that it is written as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recurzoo.analysis.plots import FORMATS, Picture, write_figure
from recurzoo.base.documents import format_csv, read_json, shorten
from recurzoo.base.files import draft, write_text
from recurzoo.base.records import Report

Rows = Sequence[Mapping[str, Any]]


class Analysis(Report):
    """What was found about a network.

    Attributes:
        kind: of the analysis; its files are named after it.
        model: the network's name.
        weights: the SHA-256 of its checkpoint's file of weights; None of a bare network.
        data: where the examples came from, in words; None if none were needed.
        examples: how many.
        fingerprint: a digest of them.
    """

    kind: str
    model: str
    weights: str | None = None
    data: str | None = None
    examples: int | None = None
    fingerprint: str | None = None

    def tables(self) -> dict[str, Rows]:
        """The tables to write as CSV: by what their names end with, `""` for the only or the main one."""
        raise NotImplementedError

    def figures(self) -> dict[str, Callable[[Any], None]]:
        """What draws each figure into a Matplotlib `Figure`, by what its name ends with."""
        raise NotImplementedError

    def picture(self, name: str = "") -> Picture:
        """One of the figures, for a notebook.

        Args:
            name: what the names of its files end with, such as `"wiring"`; none for the main one.

        Raises:
            ValueError: if there is none of this name.
        """
        figures = self.figures()
        if name not in figures:
            raise ValueError(f"This analysis has the figures {', '.join(map(repr, figures))}. Received: {name!r}")
        return Picture(figures[name])

    def findings(self) -> dict[str, float | None]:
        """A few numbers that say what it shows, by their names; None is not finite, or not there."""
        return {}

    @property
    def title(self) -> str:
        """What a table of it is called."""
        examples = "" if self.examples is None else f", {self.examples:,} examples of {self.data}"
        return f"{self.kind} of {self.model}{examples}"


def write_analysis(analysis: Analysis, out: str | Path) -> list[Path]:
    """Write an analysis: `KIND.json`, and as `KIND[-PART]` its tables as CSV and its figures as PNG and SVG.

    Args:
        analysis: an `Analysis`.
        out: path of the folder, made if need be. An earlier analysis of the kind is replaced, nothing else.

    Returns:
        The paths of all files.

    Raises:
        FileExistsError: if there are other files of these names.
        ImportError: if Matplotlib is not installed.
    """
    out = Path(out)
    named = {part: out / "-".join((analysis.kind, *([part] if part else []))) for part in _parts(analysis)}
    paths = {part: [stem.with_suffix(ending) for ending in _endings(analysis, part)] for part, stem in named.items()}
    _refuse_others(out / f"{analysis.kind}.json", analysis.kind, [path for found in paths.values() for path in found])
    out.mkdir(parents=True, exist_ok=True)
    tables, figures = analysis.tables(), analysis.figures()
    for part, stem in named.items():
        if part in tables:
            rows = tables[part]
            write_text(stem.with_suffix(".csv"), format_csv(rows, list(rows[0]) if rows else []))
        if part in figures:
            for ending in FORMATS:
                with draft(stem.with_suffix(ending)) as partial:
                    write_figure(figures[part], partial, ending.removeprefix("."))
    # The record comes last: where it is, the rest is whole.
    write_text(out / f"{analysis.kind}.json", analysis.to_json(indent=1) + "\n")
    return [path for found in paths.values() for path in found]


def _parts(analysis: Analysis) -> list[str]:
    return list(dict.fromkeys(["", *analysis.tables(), *analysis.figures()]))


def _endings(analysis: Analysis, part: str) -> list[str]:
    endings = [] if part else [".json"]
    endings += [".csv"] if part in analysis.tables() else []
    return endings + (list(FORMATS) if part in analysis.figures() else [])


def _refuse_others(record: Path, kind: str, paths: Sequence[Path]) -> None:
    """Refuse to replace what is no earlier analysis of the kind."""
    existing = [path.name for path in paths if path.exists()]
    if not existing:
        return
    try:
        ours = read_json(record).get("kind") == kind
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise FileExistsError(
            f"Only an earlier analysis is ever replaced; take another folder. Received: {shorten(str(record.parent))}, "
            f"which has {', '.join(existing)}"
        )
