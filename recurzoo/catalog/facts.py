"""What the catalog knows of families, architectures, data sets and the papers' figures."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from recurzoo.base.records import FrozenModel


class Paper(FrozenModel):
    """Where a family comes from; no authors and an empty `url` where they are not known."""

    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    url: str
    bibtex: str


class ArchitectureFacts(FrozenModel):
    """What the catalog knows of an architecture.

    Args:
        parameters: int, trainable parameters at `classes` classes.
        training_parameters: int, those of the form that is trained, where that is a larger one.
        classes: int.
        default_tag: str, the checkpoint that the bare name loads, where it is not the family's.
    """

    parameters: int
    training_parameters: int | None = None
    classes: int = 10
    default_tag: str | None = None


class Training(FrozenModel):
    """How networks were trained whose errors a paper reports.

    Args:
        training: str, what was special about it.
        runs: int, how many runs an error is the mean of; None where the paper does not say.
    """

    training: str
    runs: int | None = None

    @property
    def training_in_words(self) -> str:
        """How the networks were trained, and how many runs an error is the mean of, where the paper says it."""
        return self.training + (f", mean of {self.runs} runs" if self.runs else "")


class FigureTable(Training):
    """Test errors that a paper reports, in percent.

    Args:
        table: str, where in the paper.
        errors: one dict an architecture: its name under `"architecture"`, then data sets and errors.
    """

    table: str
    errors: tuple[dict[str, str | float], ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for row in self.errors:
            if [key for key, value in row.items() if isinstance(value, str)] != ["architecture"]:
                raise ValueError("a row of errors has an architecture, and beside it numbers only")
        return self


class PublishedFacts(FrozenModel):
    """Where a checkpoint is published: a repository of the Hub, its commit, and the SHA-256 of the record there."""

    repo: str
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    record_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FamilyFacts(FrozenModel):
    """A family's file, its recipes as `recurzoo.catalog.recipe` reads them.

    Its `idea` is what its page begins with: the paper's, in five sentences.
    """

    title: str
    idea: str
    default_tag: str
    paper: Paper
    architectures: dict[str, ArchitectureFacts]
    figures: tuple[FigureTable, ...] = ()
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    published: dict[str, PublishedFacts] = {}


class DatasetFacts(FrozenModel):
    """What the catalog knows of a data set; mean and standard deviation are for pixels in 0..1.

    Its `hub_id` is the one it has among the Hugging Face Hub's data sets, if it is there; its `tfds_name` is TensorFlow
    Datasets', where that is another.
    """

    title: str
    classes: int
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    license: str
    url: str
    hub_id: str | None = None
    tfds_name: str | None = None


class Figure(Training):
    """Test errors that a paper reports for one architecture: percent by data set."""

    source: str
    errors: dict[str, float]
