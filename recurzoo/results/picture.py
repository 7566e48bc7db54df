"""Test accuracy on CIFAR-10 against the bytes of the weights: ours beside public results; an SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recurzoo.base.documents import read_toml
from recurzoo.base.records import FrozenModel
from recurzoo.results.rows import ResultRow

DATASET = "cifar10"
# Of Okabe and Ito's palette, which is told apart with every kind of color vision, and by the marker without any.
SHARED, PLAIN, FOLDED, QUANTIZED, PUBLIC = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#555555"
INCHES = (8, 4.8)
# Where a point's label may stand, in points of type from its center.
PLACES = [(7, 0, "left"), (-7, 0, "right"), (0, 10, "center"), (0, -10, "center"), (7, 10, "left"), (7, -10, "left")]


class Point(FrozenModel):
    """A network in the picture."""

    name: str
    source: str | None = None
    bytes: int
    accuracy: float


def public_points() -> list[Point]:
    """Results of others, and where they stand."""
    return [Point.from_dict(point) for point in read_toml(Path(__file__).with_name("points.toml"))["points"]]


def draw(rows: Sequence[ResultRow]) -> str:
    """The picture of those rows that are about CIFAR-10 and have weights.

    Args:
        rows: `ResultRow`s.

    Returns:
        The text of an SVG.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "The picture of the results is drawn by Matplotlib. Received: an environment without it; "
            "pip install 'recurzoo[plots]'"
        ) from None
    # As text, and with the same names every time.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "recurzoo", "font.family": "sans-serif", "font.size": 10}):
        figure = Figure(figsize=INCHES, layout="constrained")
        axes = FigureCanvasSVG(figure).figure.subplots()
        for label, color, marker, points in _series(rows):
            places = [point.bytes for point in points], [100 * point.accuracy for point in points]
            axes.scatter(*places, s=45, c=color, marker=marker, label=label, zorder=2)
        axes.set(xscale="log", xlabel="bytes of the weights", ylabel="test accuracy on CIFAR-10, %")
        axes.xaxis.set_major_formatter(_size)
        axes.xaxis.set_minor_formatter("")
        axes.grid(color="#dddddd", zorder=0)
        axes.margins(x=0.12, y=0.12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", frameon=False)
        _name_points(axes, [point for *_, points in _series(rows) for point in points])
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": "Accuracy against bytes on CIFAR-10"})
    return text.getvalue()


def _series(rows: Sequence[ResultRow]) -> list[tuple[str, str, str, list[Point]]]:
    """What is drawn alike: label, color, marker and points."""
    series: dict[tuple[str, str, str], list[Point]] = {}
    for row in rows:
        if row.dataset == DATASET and row.metric == "accuracy" and row.bytes is not None and row.value is not None:
            kind = ("recurzoo, shared kernels", SHARED, "o")
            if row.made == "fold":
                kind = ("recurzoo, folded", FOLDED, "D")
            elif row.twin is None:
                kind = ("recurzoo, nothing shared", PLAIN, "s")
            point = Point(name=row.name.replace(f".{DATASET}", ""), bytes=row.bytes, accuracy=row.value)
            series.setdefault(kind, []).append(point)
            if row.int8_bytes is not None and row.int8_value is not None:
                point = point.replace(bytes=row.int8_bytes, accuracy=row.int8_value)
                series.setdefault(("recurzoo, in int8", QUANTIZED, "^"), []).append(point)
    series["published by others", PUBLIC, "x"] = public_points()
    return [(*kind, points) for kind, points in series.items()]


def _size(count: float, position: Any = None) -> str:
    return f"{count / 1e6:g} MB" if count >= 1e6 else f"{count / 1e3:g} KB"


def _name_points(axes: Any, points: Sequence[Point]) -> None:
    """Write each point's name where it covers no other name and no point."""
    axes.figure.draw_without_rendering()
    centers = [axes.transData.transform((point.bytes, 100 * point.accuracy)) for point in points]
    taken = [_box(x - 4, y - 4, 8, 8) for x, y in centers]
    for point in points:
        words = point.name if point.source is None else f"{point.name} ({point.source})"
        for dx, dy, side in PLACES:
            place = {"xytext": (dx, dy), "textcoords": "offset points", "ha": side, "va": "center"}
            label = axes.annotate(words, (point.bytes, 100 * point.accuracy), fontsize=8, color="#222222", **place)
            box = label.get_window_extent()
            if not box.count_overlaps(taken) and axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1:
                break
            if (dx, dy, side) != PLACES[-1]:
                # There, on top of something is better than not at all.
                label.remove()
        taken.append(box)


def _box(x: float, y: float, width: float, height: float) -> Any:
    from matplotlib.transforms import Bbox

    return Bbox.from_bounds(x, y, width, height)
