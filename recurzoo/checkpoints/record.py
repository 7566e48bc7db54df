"""A checkpoint's record: what `record.json` holds, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import FailFast, Field

from recurzoo.base.records import FrozenModel
from recurzoo.catalog.recipe import Recipe

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10**12)]
# As many as any task here measures on; more would be a record that keeps whoever measures it again busy for ever.
Examples = Annotated[int, Field(ge=0, le=10**7)]
Words = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


Metric = Literal["accuracy", "top_5_accuracy", "loss", "f1", "f1_without_queries", "angle"]


class StoredFile(FrozenModel):
    """A file of a checkpoint."""

    sha256: Digest
    bytes: Count


class TrainingData(FrozenModel):
    """What a checkpoint was trained on.

    Attributes:
        name: the catalog's name of the data set, or a free one.
        source: where the examples came from, in words that hold on any machine.
        license: the data set's license, or how it stands without one.
        fingerprint: a digest of all examples trained on.
    """

    name: Name
    source: Words | None = None
    license: Words | None = None
    fingerprint: Digest | None = None


class Score(FrozenModel):
    """One measured figure.

    Attributes:
        metric: what was measured: a share of 1 (`accuracy`, `top_5_accuracy`, `f1`, `f1_without_queries`), nats
            (`loss`), or degrees (`angle`, of relaxed kernels to their mean, the largest).
        value: the figure; None if it was not finite, such as the loss of a network that explodes.
        split: of which part of the data set the examples were.
        examples: how many.
        fingerprint: a digest of them.
        phase: of a task with several.
        readout: the readout time of a recurrent network, where it is another than that it was trained with.
        statistics: whose normalizations' statistics: `reused` from the last trained step, or `recomputed`.
        model: another form of the network than the stored one: `relaxed`, before consolidation; or an exported file's.
        seed: of the run, where it is another than the recipe's.
    """

    metric: Metric
    value: float | None
    split: Literal["train", "test"] = "test"
    examples: Examples | None = None
    fingerprint: Digest | None = None
    phase: Count | None = None
    readout: Count | None = None
    statistics: Literal["reused", "recomputed"] | None = None
    model: Name | None = None
    seed: Count | None = None

    @property
    def plain(self) -> bool:
        """Whether it is of the stored network as it is, on test examples."""
        return self.split == "test" and self.readout is None and self.statistics is None and self.model is None

    @property
    def condition(self) -> dict[str, Any]:
        """Everything but the value: what has to be equal for two scores to be compared."""
        return self.model_dump(exclude={"value"})

    @property
    def kind(self) -> str:
        """What was measured of which form of the network, in words; scores of a kind differ in phase or readout."""
        metric = {
            "accuracy": "accuracy",
            "top_5_accuracy": "top-5 accuracy",
            "loss": "loss",
            "f1": "F1",
            "f1_without_queries": "F1 without the query cells",
            "angle": "largest angle to the mean kernel",
        }[self.metric]
        statistics = None if self.statistics is None else f"statistics {self.statistics}"
        seed = None if self.seed is None else f"seed {self.seed}"
        split = "training examples" if self.split == "train" else None
        return ", ".join(filter(None, [metric, split, self.model, statistics, seed]))

    @property
    def title(self) -> str:
        """All that a score is of, in words."""
        phase = "" if self.phase is None else f" in phase {self.phase}"
        return f"{self.kind}{phase}" + ("" if self.readout is None else f" at readout time {self.readout}")

    @property
    def rounded(self) -> str:
        """The value as people compare it."""
        if self.value is None:
            return "not finite"
        if self.metric in ("accuracy", "top_5_accuracy"):
            return f"{self.value:.2%}"
        if self.metric == "angle":
            return f"{self.value:.2g}°"
        return f"{self.value:.4f}"


def headline(scores: Iterable[Score]) -> Score | None:
    """The score by which a checkpoint is compared: the test accuracy, or the F1 of the last phase; None without."""
    plain = [score for score in scores if score.plain and score.value is not None]
    accuracies = [score for score in plain if score.metric == "accuracy"]
    phases = sorted((score for score in plain if score.metric == "f1"), key=lambda score: score.phase or 0)
    return accuracies[0] if accuracies else phases[-1] if phases else None


class Parent(FrozenModel):
    """The checkpoint that another one was made from.

    Attributes:
        action: what was done to it: `fold`, `soften`, `grow`, `init` (training began from its weights), `quantize`.
        checkpoint: its name.
        threshold: of folding: the similarity from which kernels were tied.
    """

    action: Literal["fold", "soften", "grow", "init", "quantize"]
    checkpoint: Name
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None


class Record(FrozenModel):
    """A checkpoint's facts, kept in its `record.json` and nowhere else; written by training, evaluating and saving.

    Attributes:
        format: of the record itself; other ones are not read.
        name: `architecture.dataset` or `architecture.dataset.variant`.
        architecture: the zoo's name of it.
        parameters: trainable ones; `save` counts them.
        sharing: how the stages share their kernels, in words; `save` describes it.
        dataset: `TrainingData`.
        class_names: in the order of the logits.
        recipe: what it was trained by; `recurzoo train PATH/record.json` runs it again.
        parent: the checkpoint it was made from, if any.
        versions: of each package, and the backend, of what wrote the checkpoint and measured it.
        hardware: what it was trained on.
        training_seconds: over all sessions.
        epochs: trained.
        precisions: how many of the epochs were computed in which precision.
        strategies: how many of the epochs were trained by which strategy, on how many replicas.
        scores: all that was measured.
        license: of the weights.
        files: bytes and digest of each file; `save` measures them.
    """

    format: Literal[1] = 1
    name: Name
    architecture: Name
    parameters: Count = 0
    sharing: Annotated[str, Field(max_length=10_000)] | None = None
    dataset: TrainingData | None = None
    class_names: Annotated[tuple[Name, ...], Field(max_length=100_000)] = ()
    recipe: Recipe | None = None
    parent: Parent | None = None
    versions: Annotated[dict[Name, Words], Field(max_length=100)] = {}
    hardware: Words | None = None
    training_seconds: Annotated[float, Field(ge=0)] | None = None
    epochs: Count | None = None
    precisions: Annotated[dict[Name, Count], Field(max_length=10)] = {}
    strategies: Annotated[dict[Name, Count], Field(max_length=100)] = {}
    scores: Annotated[tuple[Score, ...], Field(max_length=10_000), FailFast()] = ()
    license: Words | None = None
    files: Annotated[dict[Name, StoredFile], Field(max_length=100)] = {}

    @property
    def headline(self) -> Score | None:
        """The score by which the checkpoint is compared."""
        return headline(self.scores)

    def with_scores(self, *scores: Score) -> Record:
        """This record with further scores; those measured under the same conditions are replaced."""
        conditions = [score.condition for score in scores]
        kept = [score for score in self.scores if score.condition not in conditions]
        return self.replace(scores=(*kept, *scores))
