"""Frozen records that check themselves: whatever is read from TOML or JSON becomes one of these or an error."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from recurzoo.registry.spec_base import Spec, spec


@spec
class StoredFile(Spec):
    """A file of a checkpoint."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


@spec
class TrainingData(Spec):
    """What a checkpoint was trained on.

    Args:
        name: str, the catalog's name of the data set, or a free one.
        source: str, where the images came from.
        note: str, how they differ from the original, if they do.
        licence: str, the data set's licence, or how it stands without one.
        fingerprint: str, a digest of the images and labels.
    """

    name: str
    source: str | None = None
    note: str | None = None
    licence: str | None = None
    fingerprint: str | None = None


@spec
class Record(Spec):
    """A checkpoint's facts, kept in its `record.json` and nowhere else.

    Training, folding, exporting, `readout --record` and saving write them.

    Args:
        name: str, `architecture.dataset` or `architecture.dataset.variant`.
        architecture: str, the zoo's name of the architecture.
        parameters: int, trainable parameters; `save` counts them.
        sharing: str, how the stages share their kernels, in words; `save` describes it.
        dataset: `TrainingData`.
        class_names: tuple of str, in the order of the logits.
        recipe: dict, the settings it was trained with.
        recipe_name: str, the recipe they came from.
        seed: int.
        versions: dict from package to version, and the backend, of what wrote the checkpoint and measured it.
        hardware: str.
        training_seconds: float.
        epochs: int.
        metrics: dict, such as `{"test_accuracy": 0.85, "test_images": 10000}`; shares of 1, not percent, and None for
            what was measured and is not finite, such as the loss of a network that explodes.
        licence: str, of the weights.
        files: dict from file name to `StoredFile`; `save` measures them.
    """

    name: str
    architecture: str
    parameters: int = 0
    sharing: str | None = None
    dataset: TrainingData | None = None
    class_names: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    recipe_name: str | None = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    hardware: str | None = None
    training_seconds: float | None = None
    epochs: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str | None = None
    files: dict[str, StoredFile] = field(default_factory=dict)

    @property
    def baseline(self) -> str | None:
        """The architecture that the same recipe was run with beside this one; the metrics have its scores too."""
        name = self.recipe.get("baseline")
        return name if isinstance(name, str) else None


@spec
class Paper(Spec):
    """Where a family comes from; no authors and an empty `url` where they are not known."""

    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    url: str
    bibtex: str


@spec
class ArchitectureFacts(Spec):
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


@spec
class FigureTable(Spec):
    """Test errors that a paper reports, in percent.

    Args:
        table: str, where in the paper.
        training: str, what was special about it.
        runs: int, how many runs an error is the mean of; None where the paper does not say.
        errors: one dict an architecture: its name under `"architecture"`, then data sets and errors.
    """

    table: str
    training: str
    runs: int | None = None
    errors: tuple[dict[str, str | float], ...]

    def __post_init__(self) -> None:
        for row in self.errors:
            if [key for key, value in row.items() if isinstance(value, str)] != ["architecture"]:
                raise ValueError("a row of errors has an architecture, and beside it numbers only")


@spec
class FamilyFacts(Spec):
    """A family's file in the catalog."""

    default_tag: str
    paper: Paper
    architectures: dict[str, ArchitectureFacts]
    figures: tuple[FigureTable, ...] = ()


@spec
class DatasetFacts(Spec):
    """What the catalog knows of a data set; mean and standard deviation are for pixels in 0..1.

    Its `hub_id` is the one it has among the Hugging Face Hub's data sets, if it is there.
    """

    title: str
    classes: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    licence: str
    url: str
    hub_id: str | None = None


@spec
class Figure(Spec):
    """Test errors that a paper reports for one architecture: percent by data set."""

    source: str
    training: str
    runs: int | None
    errors: dict[str, float]

    @property
    def training_in_words(self) -> str:
        """How the networks were trained, and how many runs an error is the mean of, where the paper says it."""
        return self.training + (f", mean of {self.runs} runs" if self.runs else "")


@spec
class ModelInfo(Spec):
    """What `recurzoo.info` tells.

    Args:
        name: str, as asked for.
        architecture: str, the architecture's name.
        family: str.
        parameters: int, trainable parameters, of the checkpoint if it has one, else at `classes` classes.
        training_parameters: int, those of the form that is trained.
        classes: int, outputs; None for a checkpoint that does not name its classes.
        class_names: tuple of str, in the order of the logits of the checkpoint; empty where they are not known.
        sharing: str, how the stages share their kernels, in words.
        weights: names of the checkpoints there are.
        checkpoint: the checkpoint that this name loads, or None.
        metrics: dict, measured on that checkpoint.
        measured_on: str, what they were measured on, in words; None if it has no test scores.
        baseline: str, an architecture trained by the same recipe, whose metrics stand among them after its name.
        recipe: str, the recipe that checkpoint was trained with.
        recipes: names of the recipes for this architecture.
        figures: what the paper reports.
        licences: dict, of the code, and of the checkpoint's weights and data set.
        paper: `Paper`.
    """

    name: str
    architecture: str
    family: str
    parameters: int
    training_parameters: int
    classes: int | None
    class_names: tuple[str, ...]
    sharing: str
    weights: tuple[str, ...]
    checkpoint: str | None
    metrics: dict[str, Any]
    measured_on: str | None
    baseline: str | None
    recipe: str | None
    recipes: tuple[str, ...]
    figures: tuple[Figure, ...]
    licences: dict[str, str | None]
    paper: Paper
