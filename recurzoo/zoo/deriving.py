"""One checkpoint made from another: `fold`, `grow` and `soften`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from recurzoo.base.environment import describe_versions
from recurzoo.base.records import Report, plain_text
from recurzoo.catalog.names import name_of
from recurzoo.checkpoints.record import Parent, Record, Score
from recurzoo.zoo.evaluating import model_and_record
from recurzoo.zoo.loading import create, load
from recurzoo.zoo.opening import open_model

if TYPE_CHECKING:
    import keras

    from recurzoo.models import ZooModel
    from recurzoo.rewriting.softening_plan import SofteningReport


class Grown(Report):
    """What `recurzoo grow` made.

    Attributes:
        folder: the checkpoint's.
        architecture: the wider one's name.
        parent: the name of the checkpoint that it was grown from.
        parameters: trainable ones.
    """

    folder: str
    architecture: str
    parent: str
    parameters: int

    @classmethod
    def of(cls, folder: str, record: Record) -> Grown:
        """From the record of a grown checkpoint."""
        assert record.parent is not None
        parent = record.parent.checkpoint
        return cls(folder=folder, architecture=record.architecture, parent=parent, parameters=record.parameters)

    def __rich__(self) -> RenderableType:
        return plain_text(f"{self.folder}: {self.architecture}, {self.parameters:,} parameters, from {self.parent}")


# What a grown network has of the smaller one's architecture; all else is in its name.
KEPT = ("num_classes", "input_shape", "mean", "std", "include_top", "pooling")


def fold(
    model: keras.Model | str | Path, threshold: float = 0.9, data: str | tuple[Any, Any] | None = None, **kwargs: Any
) -> keras.Model:
    """Tie the convolutions whose kernels are alike, so that loops appear (Savarese & Maire, 2019, section 4.3).

    Args:
        model: what `recurzoo.load` takes, or a model of the zoo or another of stages or shared layers; left as it is.
        threshold: float in 0..1, the absolute cosine from which two slots are tied.
        data: words for a data set, as `evaluate` takes them: then the folded model has the statistics of its training
            images, and the report says what it scored before, after, and with these statistics. Or a pair of images,
            pixels in 0..255, and int labels, to measure the accuracy on.
        **kwargs: with a pair: `train_images` and `batch_size`, see `recurzoo.rewriting.fold`.

    Returns:
        A new, uncompiled model with a `fold_report`.

    Raises:
        ValueError: if the threshold is outside 0..1, the model has no stage with several slots, or the data do not fit.

    Example:
        >>> folded = recurzoo.fold("swrn-22-1-2", threshold=0.8, data="tfds:cifar10")
        >>> print(folded.fold_report)
    """
    from recurzoo import rewriting

    if not isinstance(data, str):
        network = load(model) if isinstance(model, (str, Path)) else model
        return rewriting.fold(network, threshold, data, **kwargs)
    from recurzoo.tasks.folding import fold_and_measure

    network, record = model_and_record(model)
    return fold_and_measure(network, record, threshold, data)[0]


def fold_checkpoint(name: str, threshold: float, data: str | None, folder_name: str) -> tuple[ZooModel, Record]:
    """Fold a checkpoint into another one.

    Args:
        name: what `recurzoo.load` takes.
        threshold: float in 0..1.
        data: words for a data set, or None to measure nothing.
        folder_name: str, of the new checkpoint.

    Returns:
        The folded model and its record, neither of them stored.
    """
    from recurzoo import rewriting
    from recurzoo.tasks.folding import fold_and_measure

    network, record = model_and_record(name)
    scores: Sequence[Score] = ()
    if data is None:
        folded = rewriting.fold(network, threshold)
    else:
        folded, scores = fold_and_measure(network, record, threshold, data)
    parent = Parent(action="fold", checkpoint=record.name, threshold=threshold)
    return folded, _derived(record, folder_name, parent, scores=scores)


def grow(model: ZooModel | str | Path, architecture: str, seed: int = 0) -> ZooModel:
    """Make a wider network of the same family, with the same outputs, for training to go on from.

    Args:
        model: a `ZooModel`, left as it is, or what `recurzoo.load` takes.
        architecture: the wider one's name: the same but for its width, a multiple, and more templates.
        seed: int, of how replicas of a channel share what goes out of it.

    Returns:
        A new, uncompiled `ZooModel`, whose outputs are those of `model` within 1e-4.

    Raises:
        ValueError: if the architecture is no wider form of the model's. From width 1 on a Wide ResNet grows none: at
            other widths its first stage has a shortcut that this one lacks.

    Example:
        >>> recurzoo.grow("swrn-28-2-2", "swrn-28-10-2")
    """
    from recurzoo.rewriting.grow import widen

    network, _ = model_and_record(model)
    kept = {name: value for name, value in network.architecture.items() if name in KEPT}
    return widen(network, create(architecture, **kept), seed)


def grow_checkpoint(name: str, architecture: str, folder_name: str) -> tuple[ZooModel, Record]:
    """Grow a checkpoint into another one.

    Args:
        name: what `recurzoo.load` takes.
        architecture: the wider one's name.
        folder_name: str, of the new checkpoint.

    Returns:
        The wider model and its record, neither of them stored.
    """
    network, record = model_and_record(name)
    parent = Parent(action="grow", checkpoint=record.name)
    return grow(network, architecture), _derived(record, folder_name, parent, architecture=architecture)


def soften(model: keras.Model | str | Path, *args: Any, **kwargs: Any) -> keras.Model:
    """Let layers of one kernel shape share templates, which their coefficients mix (Savarese & Maire, 2019, eq. 1).

    Args:
        model: a Keras model, left as it is, or what `recurzoo.zoo.opening.open_model` takes: a name of the zoo or of
            `keras.applications`, a folder, a `.keras` file.
        **kwargs: `templates`, `budget`, `exclude`, `method` and `seed`, see `recurzoo.rewriting.soften`; in this order
            without their names, too.

    Returns:
        A new, uncompiled model with a `soften_report`.

    Raises:
        ValueError: if no layers could share, or there is no such number of templates.

    Example:
        >>> softened = recurzoo.soften(keras.applications.ResNet50(), templates=2)
        >>> print(softened.soften_report)
    """
    from recurzoo import rewriting

    return rewriting.soften(_opened(model), *args, **kwargs)


def plan_softening(model: keras.Model | str | Path, *args: Any, **kwargs: Any) -> SofteningReport:
    """Say what `soften` would do with these arguments, and how near the kernels would come, and do nothing.

    Args:
        model: as `soften` takes it.
        **kwargs: as `soften` takes them; without `templates` and `budget` the groups alone are reported.

    Returns:
        A `SofteningReport`.

    Raises:
        ValueError: as `soften`.

    Example:
        >>> print(recurzoo.plan_softening("wrn-22-1", templates=2))
    """
    from recurzoo import rewriting

    return rewriting.plan_softening(_opened(model), *args, **kwargs)


def _opened(model: Any) -> Any:
    return open_model(model)[0] if isinstance(model, (str, Path)) else model


def soften_checkpoint(
    words: str, folder_name: str, untrained: bool = False, **kwargs: Any
) -> tuple[keras.Model, Record]:
    """Soften a model into a checkpoint.

    Args:
        words, untrained: as `recurzoo.zoo.opening.open_model` takes them.
        folder_name: str, of the new checkpoint.
        **kwargs: as `soften` takes them.

    Returns:
        The softened model and its record, neither of them stored.

    Raises:
        ValueError: as `soften`.
    """
    from recurzoo import rewriting
    from recurzoo.models import ZooModel

    model, record = open_model(words, untrained)
    softened = rewriting.soften(model, **kwargs)
    architecture = record.architecture
    if isinstance(softened, ZooModel):
        # Softened alike in all stages, a plain network is another one that has a name.
        architecture = name_of(type(softened).__name__, softened.architecture) or architecture
    parent = Parent(action="soften", checkpoint=record.name)
    return softened, _derived(record, folder_name, parent, architecture=architecture)


def _derived(record: Record, name: str, parent: Parent, **changes: Any) -> Record:
    """The record of a checkpoint that is made from another: of that one all but what was measured and stored."""
    return record.replace(
        **{"name": name, "parent": parent, "scores": (), "versions": describe_versions(), "files": {}, **changes}
    )
