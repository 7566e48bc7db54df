"""A checkpoint's record: what `record.json` holds."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from recurzoo.base.records import Spec, spec


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
