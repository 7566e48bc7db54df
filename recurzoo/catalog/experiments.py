"""The papers' tables and figures as experiments: which networks are trained or looked at, and what should come out.

They stand in each family's `experiments.toml`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from importlib import resources
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator
from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.documents import read_toml, shorten
from recurzoo.base.errors import UnknownNameError
from recurzoo.base.records import FrozenModel, Report
from recurzoo.catalog.catalog import families, recipe_names
from recurzoo.catalog.names import FAMILIES
from recurzoo.catalog.recipe import Recipe, load_recipe

ScaleName = Literal["small", "paper"]
SCALES: tuple[ScaleName, ...] = get_args(ScaleName)


class Scale(FrozenModel):
    """How large an experiment is run.

    Args:
        networks: by the name that stands for it in the outcome, in the paper's words. A recipe's name is trained, and
            may be followed by changes `KEY=VALUE`; a checkpoint's is loaded, and an architecture's built untrained.
        seeds: int, how often each recipe is run, with seeds from 0 on.
        changes: `KEY=VALUE`, to every recipe.
        dataset: str, what is trained and tested on instead of the experiment's data set.
        limit: int, how many test examples an analysis looks at; None for all.
    """

    networks: dict[str, str]
    seeds: Annotated[int, Field(gt=0)] = 1
    changes: tuple[str, ...] = ()
    dataset: str | None = None
    limit: Annotated[int, Field(gt=0)] | None = None

    def words(self, label: str) -> list[str]:
        """What stands for a network: a recipe and all changes to it, a checkpoint or an architecture."""
        name, *changes = self.networks[label].split()
        changed = [] if self.dataset is None else [f"dataset={self.dataset}"]
        return [name, *changed, *self.changes, *changes] if name in recipe_names() else [name]

    def runs(self, label: str) -> list[Recipe]:
        """The recipes by which a network is trained, a seed each; none of one that is not."""
        name, *changes = self.words(label)
        if name not in recipe_names():
            return []
        return [load_recipe(name, [*changes, f"seed={seed}"]) for seed in range(self.seeds)]

    @property
    def all_runs(self) -> list[Recipe]:
        """Those of all networks."""
        return [run for label in self.networks for run in self.runs(label)]


class Experiment(FrozenModel):
    """A table or figure of a paper.

    Args:
        title: str, what it shows, in a sentence.
        source: str, where it stands in the paper; of a table of errors the words that `family.toml` has for it, whose
            numbers stand beside ours.
        dataset: str, what the networks are trained and tested on.
        analysis: str, the kind of analysis that is made of each network; None where their scores are the outcome.
        settings: of the analysis.
        expected: pairs of names of the outcome, or numbers, the greater one first, as the paper has them; of a table of
            errors, all that its numbers say where none are given.
        small: what fits into an hour on 2 cores.
        paper: what the paper did.
    """

    title: str
    source: str
    dataset: str
    analysis: str | None = None
    settings: dict[str, Any] = {}
    expected: tuple[tuple[str | float, str | float], ...] = ()
    small: Scale
    paper: Scale

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.analysis is None and not (self.small.all_runs and self.paper.all_runs):
            raise ValueError("an experiment trains networks or analyzes them")
        return self


@functools.cache
def experiments() -> dict[str, Experiment]:
    """All experiments by their names, which begin with the family's."""
    return {name: experiment for family in FAMILIES for name, experiment in _of_family(family.name)}


def _of_family(family: str) -> Iterator[tuple[str, Experiment]]:
    file = resources.files("recurzoo").joinpath("families", family, "experiments.toml")
    # Softened networks have no paper of their own.
    for name, table in read_toml(file).items() if file.is_file() else ():
        yield f"{family}-{name}", Experiment.from_dict(table)


def find_experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UnknownNameError: if there is none.
    """
    try:
        return experiments()[name]
    except KeyError:
        raise UnknownNameError(
            f"There is no such experiment; `recurzoo reproduce` lists them. Received: {shorten(name)}"
        ) from None


def paper_errors(name: str) -> dict[str, float]:
    """The test errors, in percent, that the paper's table has for the networks of an experiment."""
    experiment = find_experiment(name)
    tables = families()[name.partition("-")[0]].figures
    return {
        str(row["architecture"]): float(row[experiment.dataset])
        for table in tables
        if table.table == experiment.source
        for row in table.errors
        if experiment.dataset in row
    }


def expected_order(name: str, labels: list[str]) -> list[tuple[str | float, str | float]]:
    """The pairs of the outcome that the paper orders, the greater one first."""
    if given := find_experiment(name).expected:
        return list(given)
    errors = paper_errors(name)
    known = sorted((label for label in labels if label in errors), key=lambda label: -errors[label])
    return [(worse, better) for worse, better in itertools.combinations(known, 2) if errors[worse] > errors[better]]


class ExperimentList(Report):
    """The experiments that there are, with what they cost.

    Attributes:
        experiments: by name.
    """

    experiments: dict[str, Experiment]

    def __rich__(self) -> RenderableType:
        table = Table("experiment", "what it shows", "small", "paper", box=None, pad_edge=False)
        for name, one in self.experiments.items():
            table.add_row(name, one.title, *(_cost(getattr(one, scale)) for scale in SCALES))
        return table


def _cost(scale: Scale) -> str:
    runs = scale.all_runs
    return f"{len(runs)} runs, {sum(run.epochs for run in runs):,} epochs" if runs else "no training"


def list_experiments() -> ExperimentList:
    """All experiments, as `recurzoo reproduce` lists them."""
    return ExperimentList(experiments=experiments())
