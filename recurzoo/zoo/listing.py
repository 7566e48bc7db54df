"""What there is: `list_models` and `info`."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

from recurzoo.base.errors import MissingWeightsError
from recurzoo.base.records import Spec, spec
from recurzoo.catalog import catalog
from recurzoo.catalog.facts import Figure, Paper
from recurzoo.catalog.names import split_tag
from recurzoo.checkpoints.data import measured_on
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.record import Record
from recurzoo.hub.client import ADDRESSES, Client
from recurzoo.zoo.finding import checkpoint_for, find_checkpoints, find_folder
from recurzoo.zoo.loading import create

CODE_LICENCE = "Apache-2.0"


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


def list_models(pattern: str = "*", pretrained: bool | None = None) -> list[str]:
    """List names of the zoo.

    Args:
        pattern: str with the wildcards `*`, `?` and `[...]`. With a dot in it, names of checkpoints are listed
            (`"swrn-*.cifar10"`), else names of architectures: catalogued ones, and others that have weights here.
        pretrained: bool. True for architectures that `load` takes as they are, False for the others, None for all.

    Returns:
        Names, sorted.

    Example:
        >>> recurzoo.list_models("swrn-*", pretrained=True)
    """
    checkpoints = find_checkpoints()
    if "." in pattern:
        names = set() if pretrained is False else set(checkpoints)
    else:
        names = {*catalog.architecture_names(), *(split_tag(name)[0] for name in checkpoints)}
        if pretrained is not None:
            names = {name for name in names if (checkpoint_for(name) is not None) is pretrained}
    return sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))


def info(name: str | Path) -> ModelInfo:
    """Tell what is known of an architecture, a checkpoint, a checkpoint's folder, or one on the Hub.

    Nothing but the record is downloaded, and that only for an address. Parameters of an architecture that is not in the
    catalog are counted by building it.

    Args:
        name: of an architecture or a checkpoint, a path, or `hf://USER/REPO[@REVISION]`.

    Returns:
        A `ModelInfo`.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if a checkpoint is not here.
        FileNotFoundError: if there is no checkpoint at a path.

    Example:
        >>> recurzoo.info("swrn-28-10-2").parameters
        17125630
        >>> recurzoo.info("swrn-22-1-2").class_names[3]
        'cat'
    """
    try:
        # The Hub is only asked of what can be nowhere else.
        client = Client(local_files_only=not str(name).startswith(ADDRESSES))
        record: Record | None = read_record(find_folder(name, needs=(), client=client))
    except MissingWeightsError:
        if split_tag(str(name))[1]:
            raise
        record = None
    architecture = catalog.architecture(record.architecture if record else split_tag(str(name))[0])
    facts = catalog.architecture_facts(architecture.name)
    weights = tuple(found for found in find_checkpoints() if split_tag(found)[0] == architecture.name)
    training_parameters = facts.training_parameters if facts else None
    if record is not None:
        parameters, classes = record.parameters, len(record.class_names) or None
    elif facts is not None:
        parameters, classes = facts.parameters, facts.classes
    else:
        from recurzoo.families.counting import count_parameters

        model = create(architecture.name)
        parameters, classes = count_parameters(model, consolidated=True), model.output_shape[-1]
        training_parameters = count_parameters(model)
    licences: dict[str, str | None] = {"code": CODE_LICENCE}
    if record is not None:
        licences |= {"weights": record.licence, "data": record.dataset.licence if record.dataset else None}
    return ModelInfo(
        name=str(name),
        architecture=architecture.name,
        family=architecture.family,
        parameters=parameters,
        training_parameters=training_parameters or parameters,
        classes=classes,
        class_names=record.class_names if record else (),
        sharing=(record.sharing if record else None) or architecture.sharing,
        weights=weights,
        checkpoint=record.name if record else None,
        metrics=record.metrics if record else {},
        measured_on=measured_on(record) if record else None,
        baseline=record.baseline if record else None,
        recipe=record.recipe_name if record else None,
        recipes=catalog.recipe_names(architecture.name),
        figures=catalog.figures(architecture.name),
        licences=licences,
        paper=catalog.families()[architecture.family].paper,
    )
