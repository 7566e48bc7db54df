"""How figures look: half a page, colors that everyone can tell apart, axes with units."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

FORMATS = (".png", ".svg")
# Inches: the width of a page's text.
WIDTH = 6.5
# Okabe and Ito's, which people with any color vision can tell apart, without the yellow that is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "savefig.dpi": 200,
    # Equal records make equal files.
    "svg.hashsalt": "recurzoo",
}


class Picture:
    """A figure that a notebook shows, and that can be saved.

    Args:
        draw: what draws into a Matplotlib `Figure`; it may change the figure's size.
    """

    def __init__(self, draw: Callable[[Any], None]):
        self.draw = draw

    def save(self, path: str | Path) -> None:
        """Write it.

        Args:
            path: of a `.png` or an `.svg`.

        Raises:
            ValueError: if the path ends in anything else.
        """
        path = Path(path)
        if path.suffix not in FORMATS:
            raise ValueError(f"A picture is saved as {' or '.join(FORMATS)}. Received: {path.name!r}")
        write_figure(self.draw, path, path.suffix.removeprefix("."))

    def _repr_svg_(self) -> str:
        """What IPython shows."""
        text = io.StringIO()
        write_figure(self.draw, text, "svg")
        return text.getvalue()


def write_figure(draw: Callable[[Any], None], path: Path | IO[str], form: str) -> None:
    """Draw a figure and write it.

    Args:
        draw: what draws into a Matplotlib `Figure`; it may change the figure's size.
        path: of the file, or an open one.
        form: `"png"` or `"svg"`.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "Figures are drawn by Matplotlib, which is not installed; pip install recurzoo[plots]. Received: no "
            "module matplotlib"
        ) from None
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, 2.6), layout="constrained")
        draw(figure)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(path, format=form, metadata=metadata)


def panels(figure: Any, count: int, columns: int, height: float, **kwargs: Any) -> list[Any]:
    """Axes in rows, each of a height in inches; those that are too many are left out."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure.set_size_inches(WIDTH, rows * height)
    grid = figure.subplots(rows, columns, squeeze=False, **kwargs).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    return list(grid[:count])


def curve(axes: Any, number: int, x: Sequence[float], y: Iterable[float | None], label: str | None = None) -> None:
    """A line with markers, of the color and the marker of its number; figures that are None are gaps."""
    values = [np.nan if value is None else value for value in y]
    color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
    dashes = ("-", "--", ":")[number // len(COLORS) % 3]
    axes.plot(x, values, linestyle=dashes, color=color, marker=marker, label=label)


def whole_numbers(axes: Any) -> None:
    """Only whole numbers on the horizontal axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def matrix(axes: Any, values: Any, colors: str = "gray", low: float = 0.0, high: float = 1.0) -> Any:
    """A matrix as an image, row 1 on top, rows and columns counted from 1."""
    values = np.asarray(values)
    rows, columns = values.shape
    image = axes.imshow(
        values, cmap=colors, vmin=low, vmax=high, extent=(0.5, columns + 0.5, rows + 0.5, 0.5), aspect="auto"
    )
    for axis, size in ((axes.xaxis, columns), (axes.yaxis, rows)):
        axis.set_ticks(np.unique(np.linspace(1, size, min(size, 5)).round().astype(int)))
    return image
