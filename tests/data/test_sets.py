"""Data sets by their words, and classes matched by name."""

import os

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


@pytest.mark.data
def test_the_real_cifar10():
    data = load_data(os.path.join(os.environ["RECURZOO_DATA"], "cifar10"), (32, 32))
    assert data.train.images.shape == (50000, 32, 32, 3)
    assert data.test.images.shape == (10000, 32, 32, 3)
    mean = data.train.images.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=1e-4)
