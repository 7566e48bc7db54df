"""What tests of analyses share: tiny networks with random weights, and images with labels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops

from tests.support.networks import make


@pytest.fixture
def case(randomize, rng):
    """A network of a family with images, labels, and what it answers."""

    def case(family, count=12):
        model = randomize(make(family))
        images = rng.integers(0, 256, (count, *model.input_shape[1:])).astype("uint8")
        labels = rng.integers(0, 5, count)
        logits = ops.convert_to_numpy(model(images.astype("float32")))
        return SimpleNamespace(model=model, images=images, labels=labels, logits=logits, data=(images, labels))

    return case


@pytest.fixture
def accuracy():
    return lambda logits, labels: float(np.mean(np.argmax(logits, axis=-1) == labels))
