"""Fine-tuning: what learns and what stays."""

from __future__ import annotations

import keras

from recurzoo.families.base import ZooModel
from recurzoo.layers import StepNormalization

HEAD = "head"


def freeze(model: ZooModel, batch_norm: bool = True) -> ZooModel:
    """Keep everything but the head from learning. Freeze before `compile`.

    Args:
        model: a model of the zoo; one without a head is frozen altogether.
        batch_norm: bool. If True, batch normalisation is frozen too: it stays in inference mode, so its statistics do
            not drift. If False, its statistics, scales and shifts go on learning.

    Returns:
        The same model.

    Raises:
        ValueError: if it is not a model of the zoo.

    Example:
        >>> model = recurzoo.load("swrn-22-1-2", num_classes=10)
        >>> recurzoo.freeze(model).compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    """
    if not isinstance(model, ZooModel):
        raise ValueError(
            f"freeze takes a model of the zoo, and before other layers are put on it. Received: {type(model).__name__}"
        )
    model.trainable = True
    for layer in model.layers:
        if layer.name != HEAD and batch_norm:
            layer.trainable = False
        elif layer.name != HEAD:
            _freeze_all_but_normalization(layer)
    return model


def _freeze_all_but_normalization(layer: keras.Layer) -> None:
    # Not by `trainable` of the layer as a whole: a frozen stage would freeze the normalisations it owns.
    for part in layer._flatten_layers():
        if not isinstance(part, StepNormalization):
            for variable in part._trainable_variables:
                variable.trainable = False
