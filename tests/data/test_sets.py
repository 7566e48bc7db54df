"""Data sets from folders, scikit-learn and TensorFlow Datasets."""

import functools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recurzoo.data.sets import load_data


def write_folder(root: Path, test="test", classes=("cat", "dog"), size=(8, 8)):
    generator = np.random.default_rng(0)
    for part, count in (("train", 3), (test, 2)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (size[1], size[0], 3)).astype("uint8")
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_folder(tmp_path, test):
    data = load_data(str(write_folder(tmp_path / "set", test)), (8, 8))
    assert data.class_names == ("cat", "dog")
    assert data.train.images.shape == (6, 8, 8, 3)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    stored = np.asarray(Image.open(tmp_path / "set" / "train" / "dog" / "2.png"))
    np.testing.assert_array_equal(data.train.images[5], stored)
    again = load_data(str(tmp_path / "set"), (8, 8))
    assert again.train.fingerprint == data.train.fingerprint != data.test.fingerprint


def test_other_sizes_are_resized_by_the_shorter_side_and_cropped(tmp_path):
    root = tmp_path / "set"
    for part in ("train", "test"):
        (root / part / "a").mkdir(parents=True)
        # White centre between black borders that a centre crop of a 2:1 image removes.
        pixels = np.zeros((10, 20, 3), "uint8")
        pixels[:, 5:15] = 255
        Image.fromarray(pixels).save(root / part / "a" / "0.png")
    data = load_data(str(root), (8, 8))
    assert data.test.images.shape == (1, 8, 8, 3)
    assert data.test.images[:, :, 1:-1].min() > 250


def test_classes_are_matched_by_name(tmp_path):
    data = load_data(str(write_folder(tmp_path / "set")), (8, 8))
    turned = data.relabelled(["dog", "cat"])
    assert turned.test.labels.tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match=r"lacks \['bird'\] and has \['dog'\] more"):
        data.relabelled(["cat", "bird"])


def test_limit(tmp_path):
    data = load_data(str(write_folder(tmp_path / "set")), (8, 8), train=False, limit=3)
    assert len(data.train) == 0
    assert len(data.test) == 3
    with pytest.raises(ValueError, match="at least one"):
        load_data(str(tmp_path / "set"), (8, 8), limit=0)


def test_a_limit_takes_its_share_of_every_class_and_decodes_no_more(tmp_path):
    root = write_folder(tmp_path / "set")
    whole, half = (load_data(str(root), (8, 8), train=False, limit=limit) for limit in (None, 2))
    assert half.test.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(half.test.images, whole.test.images[[0, 2]])
    (root / "test" / "dog" / "1.png").write_bytes(b"no image")
    again = load_data(str(root), (8, 8), train=False, limit=2)
    assert again.test.fingerprint == half.test.fingerprint
    tenth = load_data("digits", (8, 8), train=False, limit=36)
    shares = np.bincount(load_data("digits", (8, 8), train=False).test.labels) / 10
    assert np.abs(np.bincount(tenth.test.labels) - shares).max() < 1


def test_errors_are_sentences(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        load_data(str(tmp_path / "nothing"), (8, 8))
    with pytest.raises(ValueError, match=r"train/CLASS.*Received"):
        load_data(str(tmp_path), (8, 8))
    root = write_folder(tmp_path / "set")
    (root / "train" / "bird").mkdir()
    with pytest.raises(ValueError, match="bird"):
        load_data(str(root), (8, 8))
    (root / "train" / "bird").rmdir()
    (root / "test" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="not an image that can be read"):
        load_data(str(root), (8, 8))


def test_digits():
    data = load_data("digits", (16, 16))
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.train.images.shape[1:] == (16, 16, 3)
    assert data.train.images.max() == 255
    # Stratified: each class within one of a fifth of its images.
    counts = np.bincount(data.test.labels)
    assert counts.min() >= 35
    assert counts.max() <= 37


def test_tensorflow_datasets_without_network(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("tensorflow")
    direct = load_data(str(write_folder(tmp_path / "set")), (8, 8))

    class TwoPets(tfds.core.GeneratorBasedBuilder):
        """Prepared from arrays, so that nothing is downloaded."""

        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(8, 8, 3)),
                "label": tfds.features.ClassLabel(names=["cat", "dog"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, _):
            return {"train": self._generate_examples(direct.train), "test": self._generate_examples(direct.test)}

        def _generate_examples(self, split):
            for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
                yield number, {"image": image, "label": int(label)}

    monkeypatch.setattr(tfds, "builder", functools.partial(tfds.builder, data_dir=str(tmp_path / "prepared")))
    data = load_data("tfds:two_pets", (8, 8))
    assert data.class_names == ("cat", "dog")
    for got, wanted in ((data.train, direct.train), (data.test, direct.test)):
        pairs = [sorted(zip(map(bytes, s.images), s.labels.tolist(), strict=True)) for s in (got, wanted)]
        assert pairs[0] == pairs[1]
    limited = load_data("tfds:two_pets", (8, 8), train=False, limit=2).test
    assert sorted(limited.labels.tolist()) == [0, 1]
    assert set(map(bytes, limited.images)) < set(map(bytes, direct.test.images))
    with pytest.raises(ValueError, match="no data set of this name"):
        load_data("tfds:no_such_data_set", (8, 8))


@pytest.mark.data
def test_the_real_cifar10():
    data = load_data(os.path.join(os.environ["RECURZOO_DATA"], "cifar10"), (32, 32))
    assert data.train.images.shape == (50000, 32, 32, 3)
    assert data.test.images.shape == (10000, 32, 32, 3)
    mean = data.train.images.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.49125, 0.48209, 0.44652], atol=1e-4)
