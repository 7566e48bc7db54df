"""Data sets by their words, and classes matched by name."""

import os
from pathlib import Path

import numpy as np
import pytest

from recurzoo.data.sets import load_data
from tests.support.class_folders import write_folder


def test_classes_are_matched_by_name(tmp_path):
    data = load_data(str(write_folder(tmp_path / "set")), (8, 8))
    turned = data.relabelled(["dog", "cat"])
    assert turned.test.labels.tolist() == [1, 1, 0, 0]
    assert data.relabelled([]).class_names == ("cat", "dog")
    with pytest.raises(ValueError, match=r"lacks \['bird'\] and has \['dog'\] more"):
        data.relabelled(["cat", "bird"])
    # ImageNet's would fill pages.
    with pytest.raises(ValueError, match="load a new head") as error:
        data.relabelled(f"class {number}" for number in range(1000))
    assert len(str(error.value)) < 400


def test_digits():
    data = load_data("digits", (16, 16))
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.train.images.shape[1:] == (16, 16, 3)
    assert data.train.images.max() == 255
    # Stratified: each class within one of a fifth of its images.
    counts = np.bincount(data.test.labels)
    assert counts.min() >= 35
    assert counts.max() <= 37
    tenth = load_data("digits", (8, 8), train=False, limit=36)
    assert len(tenth.train) == 0
    assert np.abs(np.bincount(tenth.test.labels) - counts / 10).max() < 1


@pytest.mark.parametrize(
    ("words", "missing", "command"),
    [
        ("digits", "sklearn", 'pip install "recurzoo[digits]"'),
        ("tfds:cifar10", "tensorflow_datasets", 'pip install "tensorflow-datasets"'),
    ],
)
def test_what_is_not_installed_is_named(monkeypatch, words, missing, command):
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    monkeypatch.setitem(__import__("sys").modules, f"{missing}.datasets", None)
    with pytest.raises(ImportError) as caught:
        load_data(words, (8, 8))
    assert missing in str(caught.value)
    assert command in str(caught.value)


REAL = {
    "cifar10": ((0.49139968, 0.48215841, 0.44653091), (0.24703223, 0.24348513, 0.26158784)),
    "cifar100": ((0.50707516, 0.48654887, 0.44091784), (0.26733429, 0.25643846, 0.27615047)),
}


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10", pytest.param("cifar100", marks=pytest.mark.slow)])
def test_the_real_images_are_the_lossless_ones(name):
    """Mean and standard deviation of the training images, as published to the last digit."""
    folder = Path(os.environ["RECURZOO_DATA"], name)
    if not folder.is_dir():
        pytest.skip(f"RECURZOO_DATA has no {name}")
    data = load_data(str(folder), (32, 32))
    assert data.train.images.shape == (50000, 32, 32, 3)
    assert data.test.images.shape == (10000, 32, 32, 3)
    assert len(data.class_names) == len(set(data.class_names)) == int(name.removeprefix("cifar"))
    pixels = data.train.images.reshape(-1, 3)
    counts = np.stack([np.bincount(pixels[:, channel], minlength=256) for channel in range(3)]) / len(pixels)
    values = np.arange(256) / 255
    mean = counts @ values
    np.testing.assert_allclose(mean, REAL[name][0], atol=1e-8)
    np.testing.assert_allclose(np.sqrt(counts @ values**2 - mean**2), REAL[name][1], atol=1e-8)
