"""The papers' tables and figures, made again: `recurzoo.reproduce`."""

from __future__ import annotations

import hashlib
import statistics
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.analyze import analyze, measure_of
from recurzoo.analysis.report import Analysis
from recurzoo.analysis.subject import digest_of_weights
from recurzoo.base.documents import markdown_templates, read_json
from recurzoo.base.environment import describe_hardware, describe_versions
from recurzoo.base.errors import UnknownNameError
from recurzoo.base.files import write_text
from recurzoo.base.records import FrozenModel, Report, plain_text
from recurzoo.catalog.catalog import dataset_facts
from recurzoo.catalog.experiments import (
    SCALES,
    Experiment,
    Scale,
    ScaleName,
    expected_order,
    find_experiment,
    list_experiments,
    paper_errors,
)
from recurzoo.catalog.recipe import Recipe
from recurzoo.checkpoints.folder import RECORD, read_record
from recurzoo.checkpoints.record import Record, headline
from recurzoo.tasks.words import SHORTEST_PATHS
from recurzoo.zoo.finding import find_checkpoint
from recurzoo.zoo.loading import create

Measured = dict[str, list[float | None]]
# The name of a network in the outcome, and the seed.
Run = tuple[str, int]
# Beside the folders of the experiments, that of the runs, which several may share.
RUNS = "runs"


class Value(FrozenModel):
    """One number of an outcome.

    Attributes:
        name: what it is of.
        runs: how many seeds it is the mean of.
        mean: theirs; None where none is finite.
        spread: their standard deviation, of several.
        paper: the paper's, where it gives one.
    """

    name: str
    runs: int
    mean: float | None
    spread: float | None = None
    paper: float | None = None


class Order(FrozenModel):
    """Two numbers of an outcome that the paper orders.

    Attributes:
        greater, smaller: their names, or numbers, as the paper has them.
        kept: whether ours are ordered alike; None where one of them is missing.
    """

    greater: str | float
    smaller: str | float
    kept: bool | None


class Reproduction(Report):
    """What came out of an experiment.

    Attributes:
        experiment: its name.
        title: what the paper shows by it.
        source: where.
        scale: `"small"` or `"paper"`.
        networks: what was trained or looked at, by the names of the outcome.
        quantity: what the numbers are.
        values: the numbers.
        order: what the paper says of them.
        dataset: what networks were trained and tested on.
        examples: how many test examples an analysis looked at; None for all.
        seeds: how many.
        epochs: of all runs together.
        training_seconds: likewise.
        hardware: what ran it.
        versions: of the packages.
        figures: paths of the drawings, relative to the page.
    """

    experiment: str
    title: str
    source: str
    scale: ScaleName
    networks: dict[str, str]
    quantity: str
    values: tuple[Value, ...]
    order: tuple[Order, ...]
    dataset: str
    examples: int | None
    seeds: int
    epochs: int
    training_seconds: float
    hardware: str
    versions: dict[str, str]
    figures: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether the paper's order was kept, in words."""
        kept = sum(one.kept is True for one in self.order)
        return f"order {'kept' if kept == len(self.order) else 'not kept'} ({kept} of {len(self.order)} pairs)"

    def page(self) -> str:
        """The outcome as a page of Markdown."""
        return (
            markdown_templates(Path(__file__).parent)
            .get_template("reproduction.md.jinja")
            .render(outcome=self, show=_show, name=lambda side: side if isinstance(side, str) else _show(side))
        )

    def __rich__(self) -> RenderableType:
        table = Table("", "ours", "paper's", title=f"{self.experiment}, {self.scale}: {self.verdict}")
        for one in self.values:
            table.add_row(plain_text(one.name), _show(one.mean), _show(one.paper))
        return table


def _default_data(dataset: str) -> str:
    if dataset == SHORTEST_PATHS:
        return dataset
    facts = dataset_facts(dataset)
    return f"tfds:{(facts and facts.tfds_name) or dataset}"


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def reproduce(
    experiment: str | None = None,
    data: str | None = None,
    scale: ScaleName = "small",
    out: str | Path = "reproductions",
) -> Report:
    """Make a table or figure of the papers again, or list those that there are.

    Networks are trained and analyzed as the experiment says. What is done already is not done again, and a run that was
    interrupted goes on.

    Args:
        experiment: its name; None for the list.
        data: words for a data set, as `recurzoo.train` takes them; by default the experiment's own, from TensorFlow
            Datasets, or generated.
        scale: `"small"`, a reduced form for an hour on 2 cores, or `"paper"`.
        out: path of a folder for `runs/`, which experiments share, and `EXPERIMENT.SCALE/` with the outcome as a page
            (`README.md`), a record (`reproduction.json`) and what the analyses wrote.

    Returns:
        A `Reproduction`, or an `ExperimentList`.

    Raises:
        UnknownNameError: if there is no such experiment or scale; a ValueError.
        ValueError: if the data are not the experiment's.

    Example:
        >>> recurzoo.reproduce("scnn-figure-5", scale="small").verdict
    """
    if experiment is None:
        return list_experiments()
    if scale not in SCALES:
        raise UnknownNameError(f"An experiment has the scales {', '.join(SCALES)}. Received: {scale!r}")
    found, folder = find_experiment(experiment), Path(out) / f"{experiment}.{scale}"
    chosen: Scale = getattr(found, scale)
    dataset = chosen.dataset or found.dataset
    words = data or _default_data(dataset)
    trained = {
        (label, recipe.seed): _trained(recipe, words, Path(out) / RUNS)
        for label in chosen.networks
        for recipe in chosen.runs(label)
    }
    records = {run: record for run, (_, record) in trained.items()}
    figures: tuple[str, ...] = ()
    if found.analysis is None:
        quantity, measured = _scored(records)
    else:
        quantity, measured, figures = _analyzed(found, chosen, trained, words, folder)
    papers = paper_errors(experiment)
    values = tuple(_value(name, several, papers.get(name)) for name, several in measured.items())
    order = _order(expected_order(experiment, list(measured)), {value.name: value.mean for value in values})
    outcome = Reproduction(
        experiment=experiment,
        title=found.title,
        source=found.source,
        scale=scale,
        networks={label: " ".join(chosen.words(label)) for label in chosen.networks},
        quantity=quantity,
        values=values,
        order=tuple(order),
        dataset=dataset,
        examples=chosen.limit,
        seeds=chosen.seeds,
        epochs=sum(record.epochs or 0 for record in records.values()),
        training_seconds=round(sum(record.training_seconds or 0 for record in records.values()), 1),
        hardware=describe_hardware(),
        versions=describe_versions(),
        figures=figures,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", outcome.page())
    write_text(folder / "reproduction.json", outcome.to_json(indent=1) + "\n")
    return outcome


def _trained(recipe: Recipe, data: str, runs: Path) -> tuple[Path, Record]:
    """The checkpoint of a run and its record; it is trained, or trained on, where it is not done."""
    from recurzoo.training.progress_bar import ProgressBar
    from recurzoo.training.run import train

    # Equal settings are one run, whichever experiment asks for it.
    digest = hashlib.sha256(recipe.to_json().encode()).hexdigest()[:8]
    out = runs / f"{recipe.name}.seed-{recipe.seed}.{digest}"
    folder = out / recipe.checkpoint
    if (folder / RECORD).is_file() and (record := read_record(folder)).scores:
        return folder, record
    with ProgressBar(recipe.epochs) as bar:
        train(recipe, data, out, resume=True, report=bar.show, callbacks=[bar.callback])
    return folder, read_record(folder)


def _scored(records: Mapping[Run, Record]) -> tuple[str, Measured]:
    """The test errors, in percent, of networks that were trained; or their F1 of each phase."""
    measured: Measured = {}
    metrics = set()
    for (label, _), record in records.items():
        best = headline(record.scores)
        metrics.add(best.metric if best else None)
        if best is not None and best.metric == "f1":
            for score in record.scores:
                if score.plain and score.metric == "f1":
                    measured.setdefault(f"{label}, phase {score.phase}", []).append(score.value)
        else:
            value = None if best is None else best.value
            measured.setdefault(label, []).append(None if value is None else 100 * (1 - value))
    return ("F1" if "f1" in metrics else "test error in percent"), measured


def _analyzed(
    experiment: Experiment, scale: Scale, trained: Mapping[Run, tuple[Path, Record]], data: str, folder: Path
) -> tuple[str, Measured, tuple[str, ...]]:
    """What the analysis of each network found, and where its figures are."""
    kind = experiment.analysis or ""
    measured: Measured = {}
    figures: list[str] = []
    # What is not trained is looked at once.
    for label, seed in trained or dict.fromkeys((label, 0) for label in scale.networks):
        place = folder / f"{label.replace(' ', '-')}{f'.seed-{seed}' if scale.seeds > 1 else ''}"
        network = scale.networks[label]
        if (label, seed) in trained or "." in network:
            subject, record = trained.get((label, seed)) or find_checkpoint(network)
            weights = digest_of_weights(record)
        else:
            keras.utils.set_random_seed(seed)
            subject, weights = create(network), None
        analysis = _done(kind, place, weights)
        if analysis is None:
            analysis = analyze(kind, subject, data, place, scale.limit, **experiment.settings)
        figures += [path.relative_to(folder).as_posix() for path in sorted(place.glob(f"{kind}*.svg"))]
        for name, value in analysis.findings().items():
            measured.setdefault(f"{label}: {name}", []).append(value)
    return f"numbers of `recurzoo analyze {kind}`", measured, tuple(figures)


def _done(kind: str, place: Path, weights: str | None) -> Analysis | None:
    """The analysis that was made before of a network of these weights, if there is one."""
    path = place / f"{kind}.json"
    if not path.is_file():
        return None
    record: type[Analysis] = typing.get_type_hints(measure_of(kind))["return"]
    analysis = record.from_dict(read_json(path))
    return analysis if analysis.weights == weights else None


def _value(name: str, several: Iterable[float | None], paper: float | None) -> Value:
    known = [value for value in several if value is not None]
    return Value(
        name=name,
        runs=len(known),
        mean=statistics.fmean(known) if known else None,
        spread=statistics.stdev(known) if len(known) > 1 else None,
        paper=paper,
    )


def _order(pairs: Sequence[tuple[str | float, str | float]], means: Mapping[str, float | None]) -> Iterator[Order]:
    for greater, smaller in pairs:
        ours = [means[name] if isinstance(name, str) else name for name in (greater, smaller)]
        kept = None if None in ours else ours[0] > ours[1]  # type: ignore[operator]
        yield Order(greater=greater, smaller=smaller, kept=kept)
