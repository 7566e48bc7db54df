"""How good a network is when it is read out earlier or later than it was trained to be (Liao & Poggio, 2016, figures 4
and 5), and how its normalizations' statistics change with time (Zhang & Jung, 2018, figures 1, 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import COLORS, curve, panels, whole_numbers
from recurzoo.analysis.reading import confidence, entropy
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, batches, to_numpy
from recurzoo.base.records import FrozenModel
from recurzoo.checkpoints.record import Metric, Score
from recurzoo.data.sets import Images
from recurzoo.layers import Stage, StateGraph, StepNormalization
from recurzoo.layers.tree import all_layers
from recurzoo.rewriting import reestimate_batch_norm
from recurzoo.rewriting.steps import Steps, readout_of
from recurzoo.tasks.evaluation import finite

Statistics = Literal["reused", "recomputed"]


class TimedReading(FrozenModel):
    """What a network answers at one time.

    Attributes:
        time: of the readout; of a network of stages, how many steps its last stage takes.
        statistics: of the normalizations: `"reused"` from training, a later time's from its last step; or
            `"recomputed"` on training images.
        input_until: after how many updates the input was switched off; None for never.
        score: the task's, a share of 1.
        confidence: mean probability of the likeliest class.
        entropy: mean, in nats.
    """

    time: int
    statistics: Statistics
    input_until: int | None = None
    score: float | None
    confidence: float | None
    entropy: float | None


class StatisticsOverTime(FrozenModel):
    """One normalization's statistics, scale and shift, step by step.

    Attributes:
        name: its path.
        values: by `"mean"`, `"variance"`, `"gamma"` and `"beta"`, where it has them: a row of channels each step.
    """

    name: str
    values: dict[str, tuple[tuple[float, ...], ...]]


class Readout(Analysis):
    """A network at trained and untrained readout times.

    Attributes:
        metric: what the scores are.
        trained: the time that it was trained for.
        readings: a `TimedReading` for each time and statistics.
        normalizations: those whose statistics differ from step to step.
    """

    metric: Metric
    trained: int
    readings: tuple[TimedReading, ...]
    normalizations: tuple[StatisticsOverTime, ...]

    def scores(self) -> tuple[Score, ...]:
        """The readings as a checkpoint's record has them, those with the input switched off left out."""
        return tuple(
            Score(
                metric=self.metric,
                value=reading.score,
                examples=self.examples,
                fingerprint=self.fingerprint,
                readout=reading.time,
                statistics=reading.statistics,
            )
            for reading in self.readings
            if reading.input_until is None
        )

    def tables(self) -> dict[str, Rows]:
        tables: dict[str, Rows] = {"": [reading.to_dict() for reading in self.readings]}
        if self.normalizations:
            tables["statistics"] = [
                {"normalization": one.name, "quantity": quantity, "step": step, "channel": channel, "value": value}
                for one in self.normalizations
                for quantity, steps in one.values.items()
                for step, channels in enumerate(steps)
                for channel, value in enumerate(channels)
            ]
        return tables

    def findings(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for reading in self.readings:
            if reading.input_until is None and abs(reading.time - self.trained) < 2:
                away = ("one step early", "at the trained time", "one step late")[reading.time - self.trained + 1]
                found[f"{self.metric} {away}, statistics {reading.statistics}"] = reading.score
        for quantity in ("mean", "variance"):
            rows = [np.abs(one.values[quantity]) for one in self.normalizations if quantity in one.values]
            if rows:
                found[f"{quantity} at the first step"] = float(np.mean([row[0].mean() for row in rows]))
                found[f"{quantity} at the last step"] = float(np.mean([row[-1].mean() for row in rows]))
                found[f"{quantity}: standard deviation over steps by that over channels"] = float(
                    np.mean([row.std(axis=0).mean() / max(row.std(axis=1).mean(), 1e-30) for row in rows])
                )
        return found

    def figures(self) -> dict[str, Callable[[Any], None]]:
        return {"": self._draw} | ({"statistics": self._draw_statistics} if self.normalizations else {})

    def _lines(self) -> dict[str, list[TimedReading]]:
        lines: dict[str, list[TimedReading]] = {}
        for reading in self.readings:
            off = "" if reading.input_until is None else f", input off after {reading.input_until}"
            lines.setdefault(f"statistics {reading.statistics}{off}", []).append(reading)
        return lines

    def _draw(self, figure: Any) -> None:
        fields = {f"{self.metric} (share of 1)": "score", "confidence": "confidence", "entropy (nats)": "entropy"}
        grid = panels(figure, 3, 3, 2.4)
        for axes, (label, field) in zip(grid, fields.items(), strict=True):
            for number, (name, readings) in enumerate(self._lines().items()):
                values = [getattr(reading, field) for reading in readings]
                curve(axes, number, [reading.time for reading in readings], values, name)
            axes.axvline(self.trained, color="0.6", linewidth=0.8, linestyle=":")
            axes.set_xlabel("readout time (steps)")
            axes.set_ylabel(label)
            whole_numbers(axes)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    def _draw_statistics(self, figure: Any) -> None:
        shown = [(one.name, quantity, rows) for one in self.normalizations for quantity, rows in one.values.items()]
        quantities = len({quantity for _, quantity, _ in shown})
        for axes, (name, quantity, rows) in zip(panels(figure, len(shown), quantities, 1.4), shown, strict=True):
            # A line a channel.
            axes.plot(range(1, len(rows) + 1), np.array(rows), color=COLORS[0], alpha=0.35, linewidth=0.6)
            axes.set_title(name, fontsize=6)
            axes.set_xlabel("step")
            axes.set_ylabel(quantity)
            whole_numbers(axes)

    def __rich__(self) -> RenderableType:
        table = Table("readout time", "statistics", self.metric, "confidence", "entropy (nats)", title=self.title)
        for name, readings in self._lines().items():
            for one in readings:
                values = (one.score, one.confidence, one.entropy)
                shown = ("not finite" if value is None else f"{value:.4f}" for value in values)
                trained = " (trained)" if one.time == self.trained else ""
                table.add_row(f"{one.time}{trained}", name.removeprefix("statistics "), *shown)
        return table


def measure_readout(
    subject: Subject,
    times: Iterable[int] | None = None,
    statistics: Sequence[Statistics] = ("reused", "recomputed"),
    input_until: int | None = None,
) -> Readout:
    """Measure a network at several readout times.

    Args:
        subject: a `Subject` with data.
        times: of the readout; by default from the first that there is to twice the trained one, or as far as there are
            weights.
        statistics: of the normalizations: `"reused"`, `"recomputed"`, or both.
        input_until: int, also switch the input off after so many updates: from then on the first state of the graph,
            through which the input comes in, is held at zero; read out at all times up to the trained one.

    Returns:
        A `Readout`.

    Raises:
        ValueError: if the network has no weights for a time, no input to switch off, or the data do not fit.
    """
    model, task = subject.model, subject.task
    trained = trained_time(model)
    # All are made first, so that a time which cannot be is told before any is measured.
    networks = _at_times(model, range(1, 2 * trained + 1)) if times is None else {t: read_at(model, t) for t in times}
    trained_on = subject.training.sample(subject.record.recipe) if "recomputed" in statistics else None
    test = task.test
    readings = []

    def read(logits: np.ndarray, **condition: Any) -> TimedReading:
        return TimedReading(
            **condition,
            score=finite(task.score(logits, test.labels)),
            confidence=finite(float(confidence(logits).mean())),
            entropy=finite(float(entropy(logits).mean())),
        )

    for time in list(networks):
        # Each is let go when it is measured.
        later = networks.pop(time)
        for way in statistics:
            if way == "recomputed":
                reestimate_batch_norm(later, trained_on)
            # Not by `predict`, which compiles each network anew.
            parts = [later(images, training=False) for _, images in batches(test.images, f"readout time {time}")]
            logits = np.concatenate([ops.convert_to_numpy(part) for part in parts])
            readings.append(read(logits, time=time, statistics=way))
    if input_until is not None:
        for time, logits in _with_input_off(model, trained, test.images, input_until).items():
            readings.append(read(logits, time=time, statistics="reused", input_until=input_until))
    order = {way: place for place, way in enumerate(statistics)}
    readings.sort(key=lambda one: (one.input_until is not None, order.get(one.statistics, 0), one.time))
    return Readout(
        **subject.facts("readout", test),
        metric=task.metric,
        trained=trained,
        readings=tuple(readings),
        normalizations=tuple(statistics_over_time(model)),
    )


def trained_time(model: keras.Model) -> int:
    """The readout time that a network was trained for: its own, or the steps of its last stage."""
    if hasattr(model, "with_readout"):
        return int(model.architecture["readout"])
    return _last_stage(model).steps


def read_at(model: keras.Model, time: int) -> keras.Model:
    """A network read out at another time, with weights of its own that are equal to this one's.

    Raises:
        ValueError: if it has no weights for that time.
    """
    if hasattr(model, "with_readout"):
        return model.with_readout(time)
    last = _last_stage(model).name

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        return layer(*args, **{**kwargs, "steps": time} if layer.name == last else kwargs)

    later = keras.models.clone_model(model, call_function=call)
    later.set_weights(model.get_weights())
    return later


def _at_times(model: keras.Model, times: Iterable[int]) -> dict[int, keras.Model]:
    found = {}
    for time in times:
        try:
            found[time] = read_at(model, time)
        except ValueError:
            # Before anything reaches the readout, or where the weights end.
            continue
    return found


def _last_stage(model: keras.Model) -> Stage:
    last = Steps(model).steps[-1].layer
    if not isinstance(last, Stage):
        raise ValueError(f"This network has no other readout times. Received: {model.name!r}")
    return last


def _with_input_off(model: keras.Model, trained: int, images: Images, until: int) -> dict[int, np.ndarray]:
    """Outputs by readout time, of a graph whose first state is zero after so many updates."""
    network = Steps(model)
    graph = network.steps[-1].layer
    if not isinstance(graph, StateGraph) or not 1 <= until < len(graph.schedule):
        raise ValueError(
            "The input is switched off in a graph of states, after one of its updates but the last. "
            f"Received: input_until={until} for {model.name!r}"
        )
    found: dict[int, list[np.ndarray]] = {}
    for _, state in batches(images, "switching the input off"):
        for piece in network.body:
            if piece.layer is graph and (piece.step or 0) >= until and 0 in state:
                state = {**state, 0: ops.zeros_like(state[0])}
            state = network.run(piece, state)
            if network.is_readable(piece):
                time = trained - (len(graph.schedule) - 1 - (piece.step or 0))
                found.setdefault(time, []).append(ops.convert_to_numpy(network.read_out(readout_of(state))))
    return {time: np.concatenate(parts) for time, parts in found.items()}


def statistics_over_time(model: keras.Model) -> list[StatisticsOverTime]:
    """The statistics, scales and shifts of each normalization that has several rows of any."""
    found = []
    layers = [layer for layer in all_layers(model) if isinstance(layer, StepNormalization)]
    for layer in sorted(layers, key=lambda layer: layer.path):
        if layer.moving_mean is None:
            continue
        tables = {
            "mean": layer.moving_mean,
            "variance": layer.moving_variance,
            "gamma": layer.gamma,
            "beta": layer.beta,
        }
        rows = {name: to_numpy(table) for name, table in tables.items() if table is not None and table.shape[0] > 1}
        if rows:
            values = {name: tuple(tuple(map(float, row)) for row in table) for name, table in rows.items()}
            found.append(StatisticsOverTime(name=layer.path, values=values))
    return found
