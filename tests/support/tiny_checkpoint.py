"""A small checkpoint, and images for it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest


@pytest.fixture
def tiny(randomize):
    """A network of the zoo with no weight at its initial value."""
    from recurzoo.zoo.loading import create

    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    return randomize(create("swrn-16-1-2", num_classes=5, input_shape=(8, 8, 3), mean=mean, std=std))


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return tmp_path_factory.mktemp("saved") / "tiny"


@pytest.fixture
def folder(request, saved, tmp_path):
    """Its checkpoint, a copy for each test."""
    from recurzoo.zoo.saving import save

    if not saved.exists():
        save(request.getfixturevalue("tiny"), saved)
    return shutil.copytree(saved, tmp_path / "tiny")


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (6, 8, 8, 3)).astype("float32")


@pytest.fixture
def outputs():
    def outputs(model, images):
        from keras import ops

        return ops.convert_to_numpy(model(np.asarray(images)))

    return outputs
