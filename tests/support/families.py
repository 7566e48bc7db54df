"""A tiny member of every family, and images for it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from recurzoo.models import FRNN, RC, SCNN, SWRN, PreActivationResNet, RelaxedResNet

SMALL: dict[str, Any] = {"num_classes": 3, "input_shape": (8, 8, 3)}
MEMBERS = {
    "swrn": lambda: SWRN(16, 1, 2, dropout=0.3, recurrence=0.01, **SMALL),
    "rc": lambda: RC(2, 4, **SMALL),
    "preresnet": lambda: PreActivationResNet(14, width=4, **SMALL),
    "preresnet-ubn": lambda: PreActivationResNet(14, 1, width=4, **SMALL),
    "preresnet-naive": lambda: PreActivationResNet(14, 1, "shared", 4, **SMALL),
    "relaxed": lambda: RelaxedResNet((2, 2, 2), "relaxed", **SMALL),
    "scnn": lambda: SCNN(3, 2, width=4, input_shape=(8, 8, 2)),
    "frnn": lambda: FRNN(((8, 4), (4, 6)), readout=4, **SMALL),
    "frnn-imagenet": lambda: FRNN(
        ((8, 4), (4, 6)), readout=3, prenet="imagenet", num_classes=3, input_shape=(32, 32, 3)
    ),
}


def images_for(model: keras.Model, count: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *model.input_shape[1:])).astype("uint8")


def train_a_step(model: keras.Model, images: np.ndarray) -> float:
    """By a loss that any output has."""
    model.compile(keras.optimizers.SGD(0.01, clipvalue=0.01), "mse")
    return float(model.train_on_batch(images, np.ones((len(images), *model.output_shape[1:]), "float32")))
