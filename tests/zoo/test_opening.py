"""Any Keras model by words: files, Keras' own collections with random weights, and the zoo's checkpoints."""

import sys
import types

import keras
import numpy as np
import pytest
from keras import layers

import recurzoo
from recurzoo.base.errors import UnknownNameError
from recurzoo.zoo import opening
from recurzoo.zoo.opening import open_model
from tests.support.routes import outputs


def tiny():
    images = keras.Input((8, 8, 3))
    return keras.Model(images, layers.Conv2D(4, 3)(layers.Conv2D(3, 3, padding="same")(images)), name="tiny")


@pytest.mark.parametrize("family", ["mobilenet_v2", "resnet", "densenet", "efficientnet_v2"])
def test_pixels_are_prepared_as_each_family_does(family, rng):
    """To -1..1, to another order of channels, by statistics, and not at all."""
    preprocess = getattr(keras.applications, family).preprocess_input
    model = tiny()
    whole = opening._on_pixels(model, preprocess)
    pixels = rng.uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    expected = outputs(model, preprocess(pixels.copy(), data_format="channels_last"))
    np.testing.assert_allclose(outputs(whole, pixels), expected, atol=1e-5 * np.abs(expected).max())
    assert len(whole.trainable_weights) == 4
    assert whole.name == "tiny"


def test_an_application_takes_pixels_and_gives_logits(monkeypatch, rng):
    make = keras.applications.MobileNetV2

    def small(**kwargs):
        return make(**{"input_shape": (32, 32, 3), "classes": 4, "alpha": 0.35, **kwargs})

    small.__module__ = make.__module__
    monkeypatch.setitem(vars(keras.applications), "MobileNetV2", small)
    for words in ("MobileNetV2", "keras.applications.MobileNetV2"):
        model, record = open_model(words, untrained=True)
        assert (record.name, record.architecture, record.dataset) == ("MobileNetV2", "softened", None)
    assert model.get_layer("preprocessing") is not None
    assert np.abs(outputs(model, rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")).sum(axis=1) - 1).min() > 1e-3


def test_a_keras_file(tmp_path, rng):
    model = tiny()
    model.save(tmp_path / "mine.keras")
    opened, record = open_model(tmp_path / "mine.keras")
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(outputs(opened, x), outputs(model, x), atol=1e-6)
    assert record.name == "mine"
    with pytest.raises(FileNotFoundError, match=r"other\.keras"):
        open_model(tmp_path / "other.keras")
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(ValueError, match=r"text\.keras"):
        open_model(tmp_path / "text.keras")


def test_a_checkpoint_of_the_zoo_with_its_record(tmp_path):
    model = recurzoo.create("wrn-16-1", input_shape=(8, 8, 3))
    recurzoo.save(model, tmp_path / "wrn-16-1.digits")
    opened, record = open_model(str(tmp_path / "wrn-16-1.digits"))
    assert type(opened) is type(model)
    assert record.architecture == "wrn-16-1"
    softened = recurzoo.soften(str(tmp_path / "wrn-16-1.digits"), templates=1)
    assert softened.architecture["num_templates"] == 1
    assert recurzoo.plan_softening(model, templates=1) == softened.soften_report


def test_what_there_is_not(monkeypatch):
    for words in ("NoSuchNet", "wrn-22", "applications"):
        with pytest.raises(UnknownNameError, match=words):
            open_model(words)
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="resnet_50_imagenet"):
        open_model("keras_hub:resnet_50_imagenet")


def test_a_failed_download_is_one_sentence(monkeypatch):
    def make(weights, **kwargs):
        assert weights == "imagenet"
        raise Exception("URL fetch failure on https://somewhere: None --\n no route")

    monkeypatch.setitem(vars(keras.applications), "ResNet50", make)
    with pytest.raises(OSError, match=r"URL fetch failure .* no route Received: 'ResNet50'"):
        open_model("ResNet50")


def test_a_backbone_of_keras_hub(monkeypatch):
    """With the hub's own way of making one from a preset, but for the download."""
    backbone = tiny()
    asked = []

    class Backbone:
        @staticmethod
        def from_preset(preset, load_weights):
            asked.append((preset, load_weights))
            return backbone

    hub = types.SimpleNamespace(models=types.SimpleNamespace(Backbone=Backbone))
    monkeypatch.setitem(sys.modules, "keras_hub", hub)
    monkeypatch.setattr(opening, "find_spec", lambda name: name)
    model, record = open_model("keras_hub:resnet_50_imagenet", untrained=True)
    assert model is backbone
    assert asked == [("resnet_50_imagenet", False)]
    assert record.name == "keras_hub:resnet_50_imagenet"


@pytest.mark.others
@pytest.mark.parametrize("backbone", ["resnet", "vgg"])
def test_keras_hubs_own_backbones_soften(backbone, rng):
    models = pytest.importorskip("keras_hub").models
    if backbone == "vgg":
        model = models.VGGBackbone(stackwise_num_repeats=[2, 2], stackwise_num_filters=[8, 8], image_shape=(16, 16, 3))
    else:
        model = models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[3],
            stackwise_num_filters=[64, 128],
            stackwise_num_blocks=[2, 2],
            stackwise_num_strides=[1, 2],
            block_type="basic_block",
            image_shape=(16, 16, 3),
        )
    softened = recurzoo.soften(model, templates="all")
    assert recurzoo.plan_softening(model).groups
    x = rng.uniform(0, 1, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(outputs(softened, x), outputs(model, x), atol=1e-4)
