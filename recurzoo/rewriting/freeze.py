"""Fine-tuning: what learns and what stays."""

from __future__ import annotations

import keras

from recurzoo.families.base import ZooModel, check_zoo_model
from recurzoo.layers import StepNormalization
from recurzoo.layers.settings import set_trainable
from recurzoo.layers.tree import all_layers, own_variables, parts_of

HEAD = "head"


def freeze(model: ZooModel, batch_norm: bool = True) -> ZooModel:
    """Keep everything but the head from learning, whatever was frozen before. Freeze before `compile`.

    Frozen models are saved, copied and folded as such; `unfreeze` undoes it.

    Args:
        model: a model of the zoo; one without a head is frozen altogether.
        batch_norm: bool. If True, batch normalization is frozen too: it stays in inference mode, so its statistics do
            not drift. If False, its statistics, scales and shifts go on learning.

    Returns:
        The same model.

    Raises:
        ValueError: if it is not a model of the zoo.

    Example:
        >>> model = recurzoo.load("swrn-22-1-2", num_classes=10)
        >>> recurzoo.freeze(model).compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    """
    unfreeze(model)
    for layer in model.layers:
        if layer.name != HEAD and batch_norm:
            set_trainable(layer, False)
        elif layer.name != HEAD:
            _freeze_all_but_normalization(layer)
    return model


def unfreeze(model: ZooModel) -> ZooModel:
    """Let everything learn again, down to each layer's parts. Compile afterwards.

    Args:
        model: a model of the zoo.

    Returns:
        The same model.

    Raises:
        ValueError: if it is not a model of the zoo.

    Example:
        >>> recurzoo.unfreeze(model).compile(keras.optimizers.SGD(1e-3), loss)
    """
    check_zoo_model(model)
    for layer in all_layers(model):
        set_trainable(layer, True)
    return model


def _freeze_all_but_normalization(layer: keras.Layer) -> None:
    parts = parts_of(layer)
    if not parts and not isinstance(layer, StepNormalization):
        set_trainable(layer, False)
    # Not by `trainable` of an owner of parts: it would freeze the normalizations too.
    for variable in own_variables(layer) if parts else ():
        variable.trainable = False
    for part in parts:
        _freeze_all_but_normalization(part)
