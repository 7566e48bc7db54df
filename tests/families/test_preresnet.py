"""Pre-activation ResNets against a network written out in NumPy; gradients at the start; unrolling; tiny ones saved."""

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.base.errors import UnknownNameError
from recurzoo.catalog.catalog import architecture
from recurzoo.catalog.names import name_of
from recurzoo.models import PreActivationResNet
from recurzoo.sharing import Loop
from tests.support.counts import count_of
from tests.support.numpy_layers import convolve, normalize, relu
from tests.support.precision import mixed_bfloat16

TINY = {"width": 2, "num_classes": 5, "input_shape": (8, 8, 3)}
COUNTS = {
    "preresnet-32": (467_946, 473_796),
    "preresnet-38": (565_386, 571_236),
    "preresnet-110-ubn": (570_762, 576_612),
    "preresnet-146-ubn": (573_450, 579_300),
    "preresnet-182-ubn": (576_138, 581_988),
    "preresnet-56": (857_706, 863_556),
    "preresnet-110": (1_734_666, 1_740_516),
    # All applications of the shared block have everything in common: a block more than preresnet-32.
    "preresnet-110-naive": (565_386, 571_236),
}


@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(name):
    assert tuple(count_of(name, num_classes=classes) for classes in (10, 100)) == COUNTS[name]


def network(model, images, blocks, unshared, naive, extra=0, scale=1.0):
    """The whole network in NumPy, block by block, from the model's arrays."""
    weights = {w.path: ops.convert_to_numpy(w).astype("float64") for w in model.weights}

    def norm(path, row, x):
        return normalize(x, *(weights[f"{path}/{n}"][row] for n in ("moving_mean", "moving_variance", "gamma", "beta")))

    def residual(stage, kernel, row, x, stride=1):
        activated = relu(norm(f"{stage}/bn1", row, x))
        h = convolve(activated, weights[f"{stage}/conv1_bank/templates"][kernel], stride)
        h = relu(norm(f"{stage}/bn2", row, h + weights[f"{stage}/conv1_bias"][kernel]))
        h = convolve(h, weights[f"{stage}/conv2_bank/templates"][kernel]) + weights[f"{stage}/conv2_bias"][kernel]
        return activated, h

    x = (images / 255 - np.array(model.architecture["mean"])) / np.array(model.architecture["std"])
    x = convolve(x, weights["stem/kernel"]) + weights["stem/bias"]
    for number in (1, 2, 3):
        stage, first = f"stage_{number}", 0
        if number > 1:
            entry, first = f"{stage}_entry", 1
            activated, h = residual(entry, 0, 0, x, stride=2)
            shortcut = convolve(activated, weights[f"{entry}/shortcut/kernel"], 2)
            x = shortcut + weights[f"{entry}/shortcut/bias"] + h
        for block in range(first, blocks + (extra if number == 3 else 0)):
            # Numbers within the stage, whose projection block is another layer's.
            own = min(block, blocks - 1) - first
            kernel = min(own, unshared - first)
            h = residual(stage, kernel, kernel if naive else own, x)[1]
            x = x + (h if block < blocks else scale * h)
    x = relu(norm("bn", 0, x)).mean(axis=(1, 2))
    return x @ weights["head/kernel"] + weights["head/bias"]


@pytest.mark.parametrize(
    ("unshared", "normalization"),
    [(None, "independent"), (1, "independent"), (1, "shared"), (2, "independent"), (2, "shared")],
)
def test_the_network_is_the_papers(unshared, normalization, images, randomize):
    model = randomize(PreActivationResNet(26, unshared, normalization, **TINY))
    expected = network(model, images, 4, unshared or 4, normalization == "shared")
    tolerance = {"rtol": 1e-4, "atol": 1e-4 * np.abs(expected).max()}
    np.testing.assert_allclose(model(images, training=False), expected, **tolerance)
    looped = model.with_architecture(unroll=False)
    looped.set_weights(model.get_weights())
    np.testing.assert_allclose(looped(images, training=False), expected, **tolerance)


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("unshared", [None, 1])
def test_the_last_block_goes_on_with_its_output_scaled(unshared, unroll, images, randomize):
    model = randomize(PreActivationResNet(20, unshared, **TINY))
    for extra, scale in ((3, 0.5), (2, 0.0), (1, 1.0)):
        unrolled = model.with_architecture(extra_steps=extra, extra_scale=scale, unroll=unroll)
        unrolled.set_weights(model.get_weights())
        expected = network(model, images, 3, unshared or 3, False, extra, scale)
        found = unrolled(images, training=False)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    plain = network(model, images, 3, unshared or 3, False)
    np.testing.assert_allclose(network(model, images, 3, unshared or 3, False, 2, 0.0), plain)


def test_unrolling_explodes_unless_it_is_scaled(images):
    """Twenty applications of an untrained last block."""
    model = PreActivationResNet(20, width=4, input_shape=(8, 8, 3), include_top=False)
    sizes = []
    for scale in (1.0, 0.1):
        stage = model.get_layer("stage_3")
        state = keras.random.normal((2, 2, 2, 16), seed=0)
        before = np.linalg.norm(stage(state))
        sizes.append(np.linalg.norm(stage(state, steps=22, extra_scale=scale)) / before)
    assert sizes[0] > 3 * sizes[1]


def test_shared_blocks_and_what_they_share():
    ubn = PreActivationResNet(38, 3, **TINY)
    assert ubn.get_layer("stage_1").loops() == [Loop(0, 1, 1), Loop(1, 1, 1), Loop(2, 1, 1), Loop(3, 1, 3)]
    # The projection block is the first of three.
    assert ubn.get_layer("stage_2").loops() == [Loop(0, 1, 1), Loop(1, 1, 1), Loop(2, 1, 3)]
    stage = ubn.get_layer("stage_3")
    assert stage.biases["conv1"].shape == (3, 8)
    gamma = ops.convert_to_numpy(stage.normalizations["bn1"].gamma)
    np.testing.assert_allclose(gamma[:, 0], [1, 1, 0.1, 0.1, 0.1])
    naive = PreActivationResNet(38, 3, "shared", **TINY).get_layer("stage_3").normalizations["bn1"]
    assert {tuple(w.shape) for w in naive.weights} == {(3, 8)}
    np.testing.assert_array_equal(ops.convert_to_numpy(naive.gamma), 1)


def explosion(model, images, labels, gradients):
    """How much longer the loss's gradient is at the first block than at the first of the last stage, when training."""
    layers = model.layers[model.layers.index(model.get_layer("stem")) + 1 :]
    stem = model.get_layer("stem")(model.get_layer("preprocessing")(images))
    first = keras.Variable(stem)
    last = keras.Variable(np.zeros((len(images), 4, 4, 2 * stem.shape[-1]), "float32"))

    def loss():
        x = ops.convert_to_tensor(first)
        for layer in layers:
            if layer.name == "stage_3_entry":
                x = x + last
            x = layer(x, training=True) if layer.weights else layer(x)
        return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, x, from_logits=True))

    near, far = gradients(loss, [first, last])
    return np.linalg.norm(near) / np.linalg.norm(far)


def test_naive_sharing_makes_gradients_explode_and_unshared_batch_norm_does_not(rng, gradients):
    images = rng.integers(0, 256, size=(16, 8, 8, 3)).astype("uint8")
    plain, naive, ubn = (
        explosion(PreActivationResNet(38, *kind, width=8, input_shape=(8, 8, 3)), images, np.arange(16) % 10, gradients)
        for kind in ((None,), (1, "shared"), (1, "independent"))
    )
    assert naive > 1.3 * plain
    assert ubn < 0.5 * plain


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 33},
        {"depth": 2},
        {"width": 0},
        {"unshared": 0},
        {"unshared": 5},
        {"unshared": 1.5},
        {"normalization": "none"},
        {"extra_steps": -1},
        {"depth": 8, "extra_steps": 1},
    ],
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        PreActivationResNet(**{"depth": 32, **TINY, **wrong})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("preresnet-110", {"depth": 110}),
        ("preresnet-38-ubn", {"depth": 38, "unshared": 5}),
        ("preresnet-110-naive", {"depth": 110, "unshared": 5, "normalization": "shared"}),
        ("preresnet-32-w4-ubn-u3", {"depth": 32, "width": 4, "unshared": 3}),
    ],
)
def test_names(name, arguments):
    read = architecture(name)
    assert read.model == "recurzoo.families.preresnet.network:PreActivationResNet"
    assert read.arguments == {"width": 16, "unshared": None, "normalization": "independent", **arguments}
    assert name_of("PreActivationResNet", read.arguments) == name
    assert name_of("PreActivationResNet", {**read.arguments, "extra_steps": 1}) is None


@pytest.mark.parametrize(
    "name", ["preresnet-33", "preresnet-32-ubn", "preresnet-38-ubn-u6", "preresnet-38-u5", "preresnet-38-w0"]
)
def test_other_names_are_refused(name):
    with pytest.raises(UnknownNameError, match="Received: "):
        architecture(name)


def test_the_papers_schedule():
    """0.1, then 0.01 from epoch 80, 0.001 from 120, 0.00001 from 200."""
    from recurzoo.catalog.recipe import load_recipe
    from recurzoo.training.optimizers import EpochSchedule

    recipe = load_recipe("preresnet-110-ubn.cifar100.paper")
    rate = EpochSchedule(recipe.optimizer.learning_rate, recipe.schedule, recipe.epochs, steps_per_epoch=10)
    found = [float(rate(10 * epoch)) for epoch in (0, 79, 80, 119, 120, 199, 200, 299)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 1e-5, 1e-5], rtol=1e-4)


@pytest.mark.tensorflow
def test_half_precision(images, randomize):
    wide = randomize(PreActivationResNet(20, 1, **TINY))
    with mixed_bfloat16():
        half = PreActivationResNet(20, 1, **TINY)
    half.set_weights(wide.get_weights())
    found = half(images, training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = ops.convert_to_numpy(wide(images, training=False))
    np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())


def test_folding_keeps_biases_and_normalizations_as_they_are(images, randomize):
    model = randomize(PreActivationResNet(26, 1, "shared", **TINY))
    folded = recurzoo.fold(model, threshold=0.99)
    assert folded.fold_report.parameters_after == folded.fold_report.parameters_before
    expected = ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(folded(images, training=False), expected, atol=1e-4 * np.abs(expected).max())
    # All kernels of a stage tied, from which biases and normalizations do not follow.
    tied = recurzoo.fold(model, threshold=0)
    assert [stage.biases["conv1"].shape[0] for stage in tied.stages] == [2, 1, 1, 1, 1]
    assert tied.fold_report.layers_after < tied.fold_report.layers_before


def test_statistics_are_measured_anew_by_row(images, randomize):
    model = randomize(PreActivationResNet(26, 2, "shared", **TINY))
    recurzoo.reestimate_batch_norm(model, images)
    stage = model.get_layer("stage_1")
    x = model.get_layer("stem")(model.get_layer("preprocessing")(images))
    layer, seen = stage.normalizations["bn1"], {}
    layer.observer = lambda step, mean, variance: seen.update({step: ops.convert_to_numpy(mean)})
    try:
        stage.normalizations["bn2"].observer = lambda *_: None
        stage(x, training=False)
    finally:
        layer.observer = stage.normalizations["bn2"].observer = None
    expected = [seen[0], seen[1], (seen[2] + seen[3]) / 2]
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_an_exported_file_holds_each_kernel_once(format, tmp_path, randomize):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    model = randomize(PreActivationResNet(38, 1, input_shape=(8, 8, 3)))
    # Outputs and bytes are checked by `export` itself, and five copies of a stage's last block would break its limit.
    report = recurzoo.export(model, tmp_path / "model", format=format)
    assert report.bytes < 2 * report.parameter_bytes
