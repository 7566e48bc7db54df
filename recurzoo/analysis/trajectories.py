"""The ways of images through the states of a network ("Towards Efficient Recurrent Visual Models", section 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import COLORS, panels
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, to_numpy
from recurzoo.base.records import FrozenModel
from recurzoo.rewriting.steps import Steps, states_after

Points = tuple[tuple[tuple[float, float], ...], ...]
# As the paper says it: with the mean over the images at each step, and without it.
VERSIONS = ("unnormalized", "normalized")
COLUMNS = 3


class Track(FrozenModel):
    """The trajectories of all images through states of one shape.

    Attributes:
        name: the first and the last state.
        points: for each version, of each state the two principal coordinates of each image.
        explained: for each version, the share of the variance that they have.
        drift: the share of the way from the first to the last state, squared, that all images have in common.
        smoothness: for each version, the mean cosine between a step and the next one; None of a single step.
    """

    name: str
    points: dict[str, Points]
    explained: dict[str, float]
    drift: float
    smoothness: dict[str, float | None]


class Trajectories(Analysis):
    """Where images go, step by step.

    Attributes:
        labels: of the images.
        class_names: in the order of the labels.
        tracks: a `Track` for each stretch of states of one shape.
    """

    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    tracks: tuple[Track, ...]

    def tables(self) -> dict[str, Rows]:
        points = [
            {"track": track.name, "version": version, "state": state, "image": image, "label": label, "x": x, "y": y}
            for track in self.tracks
            for version, states in track.points.items()
            for state, images in enumerate(states)
            for image, ((x, y), label) in enumerate(zip(images, self.labels, strict=True))
        ]
        numbers = [
            {
                "track": track.name,
                "drift": track.drift,
                **{f"smoothness_{version}": value for version, value in track.smoothness.items()},
                **{f"explained_{version}": value for version, value in track.explained.items()},
            }
            for track in self.tracks
        ]
        return {"": points, "numbers": numbers}

    def findings(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {"drift": float(np.mean([track.drift for track in self.tracks]))}
        for version in VERSIONS:
            known = [smooth for track in self.tracks if (smooth := track.smoothness[version]) is not None]
            found[f"smoothness, {version}"] = float(np.mean(known)) if known else None
        return found

    def figures(self) -> dict[str, Callable[[Any], None]]:
        return {"": self._draw}

    def _draw(self, figure: Any) -> None:
        # Each version below the other.
        rows = [self.tracks[start : start + COLUMNS] for start in range(0, len(self.tracks), COLUMNS)]
        places = [(version, row, place) for row in rows for version in VERSIONS for place in range(len(rows[0]))]
        grid = panels(figure, len(places), len(rows[0]), 2.0)
        for axes, (version, row, place) in zip(grid, places, strict=True):
            if place >= len(row):
                axes.set_axis_off()
                continue
            track = row[place]
            points = np.array(track.points[version])
            for label in sorted(set(self.labels)):
                x, y = points[:, np.array(self.labels) == label].transpose(2, 0, 1)
                color, marker = COLORS[label % len(COLORS)], ("o", "x", "+")[label // len(COLORS) % 3]
                axes.quiver(
                    *(x[:-1], y[:-1], np.diff(x, axis=0), np.diff(y, axis=0)),
                    **{"angles": "xy", "scale_units": "xy", "scale": 1, "color": color, "alpha": 0.45},
                    **{"width": 0.003, "headwidth": 4},
                )
                axes.scatter(x[-1], y[-1], s=7, color=color, marker=marker, label=self.class_names[label], zorder=3)
            axes.set_title(f"{track.name},\n{version} ({track.explained[version]:.0%} of variance)")
            axes.set_xlabel("first component")
            axes.set_ylabel("second component")
        if len(set(self.labels)) <= 20:
            figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)

    def __rich__(self) -> RenderableType:
        table = Table("states", "drift", *(f"smoothness, {version}" for version in VERSIONS), title=self.title)
        for track in self.tracks:
            smooth = ("-" if track.smoothness[v] is None else f"{track.smoothness[v]:.3f}" for v in VERSIONS)
            table.add_row(track.name, f"{track.drift:.3f}", *smooth)
        return table


def measure_trajectories(subject: Subject, images: int = 100, seed: int = 0) -> Trajectories:
    """Follow some training images through a network.

    Args:
        subject: a `Subject` with data.
        images: int, how many.
        seed: int, of which.

    Returns:
        A `Trajectories`.

    Raises:
        ValueError: if the network has no steps, or the data do not fit.
    """
    training = subject.training.examples(0)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(training))[:images])
    labels = np.asarray(training.labels[chosen])
    if labels.ndim != 1:
        raise ValueError(f"Trajectories are of images with a class each. Received: labels of shape {labels.shape}")
    network = Steps(subject.model)
    tracks = [
        _track(name, np.stack(states)) for name, states in _follow(network, training.images[chosen]) if len(states) > 1
    ]
    if not tracks:
        raise ValueError(f"A trajectory has two states of one shape. Received: {subject.record.name!r}, with none")
    return Trajectories(
        **{**subject.facts("trajectories"), "data": subject.training.source, "examples": len(chosen)},
        labels=tuple(map(int, labels)),
        class_names=subject.training.class_names,
        tracks=tuple(tracks),
    )


def _follow(network: Steps, images: np.ndarray) -> list[tuple[str, list[np.ndarray]]]:
    """Stretches of states of one shape, each an array `(images, features)`, from the input of the first step on."""
    state = ops.convert_to_tensor(images.astype("float32"))
    first = network.body.index(network.steps[0])
    state = network.through(network.body[:first], state)
    # By the number of the state in a graph; otherwise there is one.
    open_tracks: dict[int, tuple[tuple[int, ...], list[str], list[np.ndarray]]] = {}
    tracks = []

    def add(place: int, name: str, tensor: Any) -> None:
        values = ops.convert_to_numpy(tensor)
        if place not in open_tracks or open_tracks[place][0] != values.shape:
            open_tracks[place] = (values.shape, [], [])
            tracks.append(open_tracks[place])
        open_tracks[place][1].append(name)
        open_tracks[place][2].append(values.reshape(len(values), -1))

    add(0, "input", state)
    for piece in network.body[first:]:
        state = network.run(piece, state)
        states = state if isinstance(state, dict) else {0: state}
        for place, (name, tensor) in zip(sorted(states), states_after(piece, state).items(), strict=True):
            add(place, name, tensor)
    return [(f"{names[0]} to {names[-1]}", states) for _, names, states in tracks]


def _track(name: str, states: np.ndarray) -> Track:
    """Of states `(steps + 1, images, features)`."""
    # In float32 the mean of many features would not be removed to the last digit.
    versions = {"unnormalized": states, "normalized": states - states.mean(axis=1, keepdims=True, dtype="float64")}
    projected = {version: principal_components(values) for version, values in versions.items()}
    way = to_numpy(states[-1]) - to_numpy(states[0])
    return Track(
        name=name,
        points={version: _as_points(points) for version, (points, _) in projected.items()},
        explained={version: explained for version, (_, explained) in projected.items()},
        drift=float(np.sum(way.mean(axis=0) ** 2) / max(np.sum(way**2, axis=1).mean(), 1e-300)),
        smoothness={version: smoothness(values) for version, values in versions.items()},
    )


def _as_points(points: np.ndarray) -> Points:
    return tuple(tuple((float(x), float(y)) for x, y in images) for images in points)


def principal_components(states: np.ndarray) -> tuple[np.ndarray, float]:
    """The first two principal coordinates of all states of all images.

    Args:
        states: array `(steps + 1, images, features)`.

    Returns:
        An array `(steps + 1, images, 2)`, and the share of the variance that it has.
    """
    points = states.reshape(-1, states.shape[-1]).astype("float64")
    points -= points.mean(axis=0)
    # By products of points, which are fewer than features.
    values, vectors = np.linalg.eigh(points @ points.T)
    values = np.maximum(values[::-1], 0)
    first = vectors[:, ::-1][:, :2] * np.sqrt(values[:2])
    # An axis has no direction of its own: the larger coordinates lie on its positive side.
    first *= np.sign(first[np.abs(first).argmax(axis=0), np.arange(2)] + 1e-300)
    return first.reshape(*states.shape[:2], 2), float(values[:2].sum() / max(values.sum(), 1e-300))


def smoothness(states: np.ndarray) -> float | None:
    """The mean cosine between each step of an image and its next, of states `(steps + 1, images, features)`."""
    steps = np.diff(to_numpy(states), axis=0)
    if len(steps) < 2:
        return None
    before, after = steps[:-1], steps[1:]
    norms = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    # A step that goes nowhere has no direction.
    moved = norms > 0
    return float((np.sum(before * after, axis=-1)[moved] / norms[moved]).mean()) if moved.any() else None
