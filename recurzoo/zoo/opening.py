"""Any Keras model by words: a checkpoint of the zoo, a `.keras` file, or a model of Keras' own collections."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.documents import one_line
from recurzoo.catalog.names import parse
from recurzoo.checkpoints.record import Record, TrainingData
from recurzoo.zoo.evaluating import model_and_record

if TYPE_CHECKING:
    import keras

APPLICATIONS, HUB = "keras.applications.", "keras_hub:"
# What `recurzoo.soften` makes of models that are not the zoo's.
SOFTENED = "softened"


def open_model(words: str | Path, untrained: bool = False) -> tuple[keras.Model, Record]:
    """Open a Keras model, of the zoo or not.

    Args:
        words: what `recurzoo.load` takes; the path of a `.keras` file; a name of `keras.applications`, such as
            `"ResNet50"`; or `"keras_hub:PRESET"`, for a backbone of KerasHub, where it is installed.
        untrained: bool, whether models of Keras' collections are to have random weights. Theirs are downloaded.

    Returns:
        The model, and its record or one that says what is known of it. What comes from `keras.applications` takes
        pixels in 0..255 and gives logits, as the zoo's models do.

    Raises:
        ValueError: if there is no such model, or it cannot be read.
        OSError: if weights cannot be downloaded.
        ImportError: if KerasHub is wanted and not installed.
    """
    import keras

    name = str(words).removeprefix(APPLICATIONS)
    if str(words).startswith(HUB):
        model, data = _from_keras_hub(str(words).removeprefix(HUB), untrained), None
    elif name[:1].isupper() and callable(make := vars(keras.applications).get(name)):
        model = _application(name, make, untrained)
        data = None if untrained else TrainingData(name="imagenet2012", source=f"weights of keras.applications.{name}")
    elif name.endswith(".keras"):
        model, data, name = _from_file(Path(words)), None, Path(words).stem
    else:
        return model_and_record(words)
    return model, Record(name=name, architecture=parse(SOFTENED).name, dataset=data)


def _from_file(path: Path) -> keras.Model:
    import keras

    if not path.is_file():
        raise FileNotFoundError(f"There is no such file. Received: {str(path)!r}")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        # Keras answers what is wrong with a file by errors of every kind.
        raise ValueError(f"Keras cannot load this file: {one_line(str(error), 400)} Received: {str(path)!r}") from error


def _from_keras_hub(preset: str, untrained: bool) -> keras.Model:
    if find_spec("keras_hub") is None:
        raise ImportError(f"KerasHub is not installed. Received: {preset!r}; install it by: pip install keras-hub")
    import keras_hub

    return _fetched(preset, lambda: keras_hub.models.Backbone.from_preset(preset, load_weights=not untrained))


def _application(name: str, make: Callable[..., keras.Model], untrained: bool) -> keras.Model:
    model = _fetched(name, lambda: make(weights=None if untrained else "imagenet", classifier_activation=None))
    return _on_pixels(model, sys.modules[make.__module__].preprocess_input)


def _fetched(name: str, make: Callable[[], keras.Model]) -> keras.Model:
    try:
        return make()
    except Exception as error:
        # Downloads fail in their own ways, which these libraries tell as they like.
        raise OSError(
            f"Keras cannot give this model: {one_line(str(error), 400)} Received: {name!r}; untrained, it needs no "
            "download"
        ) from error


def _on_pixels(model: keras.Model, preprocess: Callable[..., Any]) -> keras.Model:
    """Put before a model, as a layer, what its module does to pixels in 0..255: a linear map of the channels."""
    import keras
    import numpy as np

    zeros, ones = np.zeros((3, 1, 1, 3), "float32"), np.eye(3, dtype="float32").reshape(3, 1, 1, 3)
    # They work in place.
    offset = preprocess(zeros.copy(), data_format="channels_last")[0, 0, 0]
    matrix = (preprocess(ones.copy(), data_format="channels_last") - offset)[:, 0, 0]
    if np.array_equal(matrix, np.eye(3)) and not offset.any():
        return model
    images = keras.Input(model.input_shape[1:], name="images")
    if np.array_equal(matrix, np.diag(np.diag(matrix))):
        layer = keras.layers.Rescaling([[np.diag(matrix).tolist()]], offset.tolist(), name="preprocessing")
    else:
        # Channels in another order.
        layer = keras.layers.Conv2D(3, 1, trainable=False, name="preprocessing")
        layer.build(images.shape)
        layer.set_weights([matrix.reshape(1, 1, 3, 3), offset])
    return keras.Model(images, model(layer(images)), name=model.name)
