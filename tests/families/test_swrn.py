"""What a Wide ResNet with soft sharing is made of, and which ones there are not."""

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.models import SWRN, BottleneckSWRN
from recurzoo.sharing import HardBank, HardSharing, SoftBank, SoftSharing, tied

SMALL = {"num_classes": 3, "input_shape": (8, 8, 3)}


def trainable_parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize("depth", [4, 15, 17, 27, 16.0, "16"])
def test_impossible_depths_are_refused(depth):
    with pytest.raises(ValueError, match="Received: depth="):
        SWRN(depth, 1, None)


@pytest.mark.parametrize("width", [0, -1, 1.5])
def test_impossible_widths_are_refused(width):
    with pytest.raises(ValueError, match="width="):
        SWRN(16, width, 2)


@pytest.mark.parametrize(
    ("depth", "templates"), [(16, 3), (28, 7), (16, 0), (10, 1), (10, "all"), (16, 1.5), (16, "x")]
)
def test_impossible_templates_are_refused(depth, templates):
    with pytest.raises(ValueError, match="Received: num_templates="):
        SWRN(depth, 1, templates)


def test_unknown_stages_and_wrong_channel_statistics_are_refused():
    with pytest.raises(ValueError, match=r"Received: \['stage_9'\]"):
        SWRN(16, 1, 2, sharing={"stage_9": tied(2)})
    with pytest.raises(ValueError, match=r"mean=.*std="):
        SWRN(16, 1, 2, input_shape=(8, 8, 1))


def test_the_first_block_of_a_stage_has_kernels_of_its_own_and_the_others_one_bank():
    model = SWRN(28, 1, 3, **SMALL)
    for number, channels in enumerate((16, 32, 64), start=1):
        entry, stage = model.get_layer(f"stage_{number}_entry"), model.get_layer(f"stage_{number}")
        assert [type(bank) for bank in entry.banks] == [HardBank, HardBank]
        (bank,) = stage.banks
        assert isinstance(bank, SoftBank)
        assert tuple(bank.templates.shape) == (3, 3, 3, channels, channels)
        # 2 * (4 blocks - 1) convolutions.
        assert tuple(bank.coefficients.shape) == (6, 3)
        assert [stage.slot_of(site, step)[1] for step in range(3) for site in ("conv1", "conv2")] == list(range(6))


def test_only_a_change_of_shape_has_a_shortcut():
    narrow, wide = SWRN(16, 1, 2, **SMALL), SWRN(16, 2, 2, **SMALL)
    kernels = [
        [None if s.shortcut is None else tuple(s.shortcut.kernel.shape) for s in model.stages]
        for model in (narrow, wide)
    ]
    assert kernels[0] == [None, None, (1, 1, 16, 32), None, (1, 1, 32, 64), None]
    assert kernels[1] == [(1, 1, 16, 32), None, (1, 1, 32, 64), None, (1, 1, 64, 128), None]


def test_as_many_templates_as_convolutions():
    model = SWRN(16, 1, "all", **SMALL)
    assert [stage.sharing for stage in model.stages[1::2]] == [SoftSharing(2)] * 3


def test_a_wide_resnet_without_anything_to_share():
    assert [stage.name for stage in SWRN(10, 1, None, **SMALL).stages] == [f"stage_{i}_entry" for i in (1, 2, 3)]


def test_dropout_stands_between_the_second_activation_and_the_second_convolution():
    """With identities for kernels, the residual shows what dropout leaves of relu(bn2(...))."""
    model = SWRN(16, 1, None, dropout=0.5, **SMALL)
    stage = model.get_layer("stage_1")
    stage.trainable = False
    identity = np.zeros((3, 3, 16, 16), "float32")
    identity[1, 1] = np.eye(16)
    stage.banks[0].templates.assign(np.stack([identity, identity]))
    # Whatever is dropped before bn2 comes out of it as 1, not as 0.
    stage.normalizations["bn2"].beta.assign(np.ones((1, 16)))
    x = np.abs(np.random.default_rng(0).normal(size=(4, 8, 8, 16))).astype("float32") + 0.1

    np.testing.assert_allclose(ops.convert_to_numpy(stage(x, training=False)) - x, x + 1, rtol=1e-3)
    residual = ops.convert_to_numpy(stage(x, training=True)) - x
    dropped = np.isclose(residual, 0, atol=1e-6)
    assert dropped.mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(residual[~dropped], 2 * (x + 1)[~dropped], rtol=1e-3)
    # Whatever were dropped after conv2 would be 0 with this kernel, too, which sums over all neighbours.
    stage.banks[0].templates.assign(np.stack([identity, np.ones_like(identity)]))
    assert not np.isclose(ops.convert_to_numpy(stage(x, training=True)) - x, 0, atol=1e-6).any()


def test_normalization_of_the_pixels_is_part_of_the_model():
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    model = SWRN(16, 1, 2, mean=mean, std=std, **SMALL)
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 8, 8, 3), dtype="uint8")
    found = ops.convert_to_numpy(model.get_layer("preprocessing")(pixels))
    np.testing.assert_allclose(found, (pixels / 255 - np.array(mean)) / np.array(std), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 12), (None, None)])
def test_classes_and_input_size_are_free(size):
    model = SWRN(16, 1, 2, num_classes=7, input_shape=(*size, 3))
    images = np.zeros((2, 16, 12, 3) if size[0] is None else (2, *size, 3), "uint8")
    assert model(images).shape == (2, 7)
    # The published 175,078 of 10 classes, less three rows of the head.
    assert trainable_parameters(model) == 175_078 - 3 * 65


def test_features_instead_of_a_head():
    images = np.zeros((2, 8, 8, 3))
    assert SWRN(16, 1, 2, include_top=False, **SMALL)(images).shape == (2, 2, 2, 64)
    for pooling in ("avg", "max"):
        assert SWRN(16, 1, 2, include_top=False, pooling=pooling, **SMALL)(images).shape == (2, 64)
    with pytest.raises(ValueError, match="Received: pooling="):
        SWRN(16, 1, 2, include_top=False, pooling="mean", **SMALL)


def test_the_recurrence_regularizer_is_summed_over_stages():
    model = SWRN(16, 1, 1, recurrence=0.25, **SMALL)
    # One template: all similarities are 1, in three stages of two slots.
    assert float(sum(model.losses)) == pytest.approx(-0.25 * 3 * 4, rel=1e-5)
    assert not SWRN(16, 1, 1, **SMALL).losses


def test_how_coefficients_start_is_a_matter_of_the_config():
    model = SWRN(16, 1, "all", coefficients="identity", **SMALL)
    assert model.architecture["coefficients"] == "identity"
    for stage in SWRN.from_config(model.get_config()).stages:
        for bank in stage.banks:
            if hasattr(bank, "coefficients"):
                np.testing.assert_array_equal(bank.coefficients, np.eye(2))


def test_another_sharing_is_a_matter_of_the_config():
    sharing = {"stage_3": HardSharing((0, 0), scaled=True)}
    model = SWRN(16, 1, 2, **SMALL).with_architecture(sharing=sharing)
    assert isinstance(model, SWRN)
    assert model.get_layer("stage_3").banks[0].templates.shape[0] == 1
    assert type(model).from_config(model.get_config()).architecture["sharing"] == sharing


def test_a_model_trains(rng):
    model = SWRN(16, 1, 2, dropout=0.3, recurrence=0.01, **SMALL)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = rng.integers(0, 256, size=(24, 8, 8, 3), dtype="uint8")
    labels = images.mean(axis=(1, 2)).argmax(axis=-1)
    before = {v.path: ops.convert_to_numpy(v).copy() for v in model.variables}
    history = model.fit(images, labels, batch_size=24, epochs=12, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.1
    unmoved = [v.path for v in model.variables if np.array_equal(before[v.path], ops.convert_to_numpy(v))]
    assert not unmoved


def test_the_bottleneck_has_twelve_banks():
    model = BottleneckSWRN(50, 1, num_classes=4, input_shape=(64, 64, 3))
    assert [len(stage.banks) for stage in model.stages] == [3, 3, 3, 3]
    for stage, steps in zip(model.stages, (3, 4, 6, 3), strict=True):
        # The first C -> B of a stage has another shape and stays out.
        assert list(stage.entry_banks) == ["conv1"]
        assert [bank.slots for bank in stage.banks] == [steps - 1, steps, steps]
        assert all(isinstance(bank, SoftBank) for bank in stage.banks)
        assert [bank.sharing.num_templates for bank in stage.banks] == [steps - 1, steps, steps]
    logits = ops.convert_to_numpy(model(np.full((2, 64, 64, 3), 100, "uint8")))
    assert logits.shape == (2, 4)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    "wrong", [{"depth": 34}, {"width": 0}, {"width": 1.5}, {"num_templates": 3}, {"num_templates": "x"}]
)
def test_impossible_bottlenecks_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        BottleneckSWRN(**{"depth": 50, "width": 1, "input_shape": (32, 32, 3), **wrong})
