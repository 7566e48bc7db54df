"""TensorFlow Datasets, prepared from arrays so that nothing is downloaded."""

import functools

import numpy as np
import pytest

from recurzoo.data.sets import load_data
from tests.support.class_folders import write_folder

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("tensorflow")


@pytest.fixture
def direct(tmp_path):
    return load_data(str(write_folder(tmp_path / "set")), (8, 8))


@pytest.fixture
def prepared(tmp_path, monkeypatch, direct):
    """Makes a data set of two pets findable by a name of its own; TFDS registers a class by its name."""
    monkeypatch.setattr(tfds, "builder", functools.partial(tfds.builder, data_dir=str(tmp_path / "prepared")))

    def prepared(name, label=None, splits=("train", "test"), label_of=int, image=None):
        label = label or tfds.features.ClassLabel(names=["cat", "dog"])
        image = image or tfds.features.Image(shape=(8, 8, 3))

        def info(self):
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def generate(self, split):
            for number, (pixels, place) in enumerate(zip(split.images, split.labels, strict=True)):
                yield number, {"image": pixels, "label": label_of(place)}

        def generators(self, _):
            parts = {"train": direct.train, "test": direct.test}
            return {part: self._generate_examples(parts.get(part, direct.test)) for part in splits}

        version = tfds.core.Version("1.0.0")
        members = {"VERSION": version, "pkg_dir_path": tmp_path, "_info": info}
        members |= {"_split_generators": generators, "_generate_examples": generate}
        type(name, (tfds.core.GeneratorBasedBuilder,), members)

    return prepared


@pytest.mark.parametrize("form", ["tfrecord", "array_record"])
def test_a_data_set(prepared, direct, form):
    name = f"{form}_pets"
    prepared("".join(word.title() for word in name.split("_")))
    tfds.builder(name, file_format=form).download_and_prepare()
    data = load_data(f"tfds:{name}", (8, 8))
    assert data.class_names == ("cat", "dog")
    for got, wanted in ((data.train, direct.train), (data.test, direct.test)):
        pairs = [sorted(zip(map(bytes, s.images), s.labels.tolist(), strict=True)) for s in (got, wanted)]
        assert pairs[0] == pairs[1]
    stored = load_data(f"tfds:{name}", (8, 8), stored=True).train
    assert stored.fingerprint == data.train.fingerprint
    np.testing.assert_array_equal(stored.images[:], data.train.images)
    limited = load_data(f"tfds:{name}", (8, 8), train=False, limit=2).test
    assert sorted(limited.labels.tolist()) == [0, 1]
    assert set(map(bytes, limited.images)) < set(map(bytes, direct.test.images))


def test_the_split_to_measure_on_may_have_another_name(prepared, direct):
    prepared("ValidPets", splits=("train", "validation"))
    assert np.bincount(load_data("tfds:valid_pets", (8, 8)).test.labels).tolist() == [2, 2]


def test_data_sets_of_another_form(prepared):
    prepared("CountedPets", label=tfds.features.Scalar(np.int64))
    with pytest.raises(ValueError, match=r"ClassLabel\. Received: 'counted_pets' with image: Image, label: Scalar"):
        load_data("tfds:counted_pets", (8, 8))
    prepared("NumberPets", image=tfds.features.Tensor(shape=(8, 8, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"type Image.*Received: 'number_pets' with image: Tensor"):
        load_data("tfds:number_pets", (8, 8))
    prepared("TrainingPets", splits=("train",))
    with pytest.raises(ValueError, match=r"Received: 'training_pets' with \['train'\]"):
        load_data("tfds:training_pets", (8, 8))
    prepared("SecretPets", label_of=lambda place: -1)
    with pytest.raises(ValueError, match=r"no labels\. Received: 'secret_pets', split 'test'"):
        load_data("tfds:secret_pets", (8, 8), train=False)


@pytest.mark.parametrize(
    "name", ["", "no_such_data_set", "cifar10:9.9.9", "cifar10:", "cifar10/nowhere", "a b", "../x", "x\x1b[31m\n" * 99]
)
def test_names_and_versions_that_are_none(name):
    with pytest.raises(ValueError, match="Received: ") as caught:
        load_data(f"tfds:{name}", (8, 8))
    text = str(caught.value)
    assert repr(name)[:50] in text
    assert text.isprintable()
    assert len(text) < 500
