"""Softening of any Keras model: equality with a template a kernel, what is planned, what is kept, and every route."""

import copy
import io
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import recurzoo
from recurzoo.layers import SharedConv2D, SharedDense, SharedDepthwiseConv2D
from recurzoo.rewriting import consolidate, fold, materialize
from recurzoo.rewriting.soften import plan_softening, soften
from recurzoo.rewriting.templates import METHODS
from recurzoo.sharing import HardBank, SoftBank
from tests.support.routes import assert_same, files_open_on_jax, outputs

SHAPE = (12, 12, 3)
# XLA takes seconds to compile for TensorFlow what runs in an instant.
COMPILED = keras.backend.backend() != "tensorflow"
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def images(rng):
    return rng.uniform(0, 1, (4, *SHAPE)).astype("float32")


@pytest.fixture
def randomize_keras(rng):
    """As `randomize`, but with the fan-in of depthwise kernels."""

    def randomize(model):
        for weight in model.weights:
            value = rng.normal(size=weight.shape)
            if weight.name in ("moving_variance", "gamma", "variance"):
                value = 0.5 + np.abs(value)
            elif weight.name == "kernel":
                depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
                value *= np.sqrt(2 / np.prod(weight.shape[: 2 if depthwise else -1]))
            if weight.name != "count":
                weight.assign(value)
        return model

    return randomize


def parameters(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def network(*body, name=None):
    """Images, a stem of eight channels, the layers in a row, and a head."""
    images = x = keras.Input(SHAPE, name="images")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    for layer in body:
        x = layer(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, layers.Dense(5, name="head", dtype="float32")(x), name=name)


def three(make):
    return [make(f"layer_{number}") for number in range(3)]


KINDS = {
    "3x3": lambda name: layers.Conv2D(8, 3, padding="same", activation="relu", name=name),
    "valid": lambda name: layers.Conv2D(8, 3, name=name),
    "1x1": lambda name: layers.Conv2D(8, 1, use_bias=False, name=name),
    "strided": lambda name: layers.Conv2D(8, 3, strides=1 + (name == "layer_1"), padding="same", name=name),
    "uneven strides": lambda name: layers.Conv2D(8, 3, strides=(2, 1), padding="same", name=name),
    "dilated": lambda name: layers.Conv2D(8, 3, dilation_rate=1 + int(name[-1]), padding="same", name=name),
    "grouped": lambda name: layers.Conv2D(8, 3, groups=2, padding="same", name=name),
    "a group a channel": lambda name: layers.Conv2D(8, 3, groups=8, padding="same", name=name),
    "depthwise": lambda name: layers.DepthwiseConv2D(3, padding="same", activation="relu6", name=name),
    "dense": lambda name: layers.Dense(8, activation="tanh", name=name),
}
SHARED = {"depthwise": SharedDepthwiseConv2D, "dense": SharedDense}


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_a_kernel_leaves_outputs_as_they_are(kind, images, randomize_keras):
    model = randomize_keras(network(*three(KINDS[kind])))
    softened = soften(model, templates=3)
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-5)
    (shared,) = [layer for layer in softened.layers if hasattr(layer, "bank")]
    assert type(shared) is SHARED.get(kind, SharedConv2D)
    assert isinstance(shared.bank, SoftBank)
    assert shared.bank.slots == 3
    # Of the kernels nothing is left but templates and coefficients.
    kernel = model.get_layer("layer_0").kernel
    assert parameters(softened) == parameters(model) + 9
    assert tuple(shared.bank.templates.shape) == (3, *kernel.shape)

    fewer = soften(model, templates=2)
    assert (
        parameters(fewer) == parameters(model) - int(np.prod(kernel.shape)) + 6 == fewer.soften_report.parameters_after
    )
    for slot in range(3):
        found = keras.ops.convert_to_numpy(fewer.get_layer(shared.name).bank.kernels())[slot]
        assert np.abs(found - keras.ops.convert_to_numpy(model.get_layer(f"layer_{slot}").kernel)).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_exact_with_a_template_a_kernel(method, images, randomize_keras):
    model = randomize_keras(network(*three(KINDS["3x3"])))
    np.testing.assert_allclose(outputs(soften(model, "all", method=method), images), outputs(model, images), atol=1e-4)


def body(name, channels=8):
    """A model to be nested in others, with layers named as in any other of them."""
    inputs = keras.Input((None, None, channels))
    x = layers.Conv2D(channels, 3, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, layers.Dropout(0.5, name="drop")(layers.Add()([x, inputs])), name=name)


def nested():
    """Two functional models, one of them used twice, and two sequential ones in one another."""
    twice = body("twice")
    inner = keras.Sequential([layers.Conv2D(8, 3, padding="same", name="conv"), layers.ReLU()], name="inner")
    outer = keras.Sequential([keras.Input((None, None, 8)), inner, layers.BatchNormalization(name="bn")], name="outer")
    return network(twice, body("once"), outer, twice)


def test_layers_of_nested_models_share_across_them(images, randomize_keras):
    model = randomize_keras(nested())
    softened = soften(model, "all")
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-5)
    (group,) = softened.soften_report.groups
    assert group.members == ("conv", "conv_2", "conv_3")
    assert not any(isinstance(layer, keras.Model) for layer in softened.layers)
    assert parameters(softened) == parameters(model) + 9


def test_what_a_nested_model_was_called_with_holds_for_its_layers(images, randomize_keras):
    inputs = keras.Input((None, None, 8))
    normalized = layers.BatchNormalization(name="bn")(layers.Conv2D(8, 3, name="conv")(inputs))
    inner = keras.Model(inputs, normalized, name="inner")
    model = randomize_keras(network(*three(KINDS["3x3"]), lambda x: inner(x, training=True)))
    softened = soften(model, "all")
    # By the statistics of the batch.
    by_batch = keras.ops.convert_to_numpy(model(images))
    assert np.abs(by_batch - outputs(model, images)).max() > 0.1
    np.testing.assert_allclose(softened(images), by_batch, atol=1e-4)
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-4)


def test_a_sequential_model_and_one_of_several_inputs_and_outputs(images, randomize_keras):
    model = randomize_keras(keras.Sequential([keras.Input(SHAPE), *three(KINDS["valid"]), layers.Flatten()][:4]))
    model.add(keras.Sequential([layers.Conv2D(8, 3), layers.Conv2D(8, 3)]))
    softened = soften(model, "all")
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-5)

    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    share = layers.Dense(8, name="share")
    outcomes = {"sum": share(left) + 2 * share(right), "dense": layers.Dense(8, name="other")(right)}
    model = randomize_keras(keras.Model({"left": left, "right": right}, outcomes))
    softened = soften(model, "all")
    rows = {"left": images[0, :, :8, 0], "right": images[1, :, :8, 0]}
    expected, found = model(rows), softened(rows)
    assert set(found) == {"sum", "dense"}
    for key in found:
        np.testing.assert_allclose(found[key], expected[key], atol=1e-5)


@pytest.fixture
def model(randomize_keras):
    return randomize_keras(
        network(
            *three(KINDS["3x3"]),
            layers.BatchNormalization(name="bn"),
            *[layers.Dense(8, name=f"dense_{number}") for number in range(2)],
            *[layers.DepthwiseConv2D(3, name=f"depthwise_{number}") for number in range(2)],
            name="net",
        )
    )


def test_the_original_is_untouched(model, images):
    before, nodes = model.get_weights(), model.get_layer("layer_1").output
    softened = soften(model, 2)
    assert not {id(v) for v in softened.variables} & {id(v) for v in model.variables}
    softened.compile("sgd", LOSS, jit_compile=COMPILED)
    softened.fit(images, np.arange(4), verbose=0)
    mixes = softened.get_weights()
    for other in (fold(softened, 0.5), materialize(softened)):
        other.compile("sgd", LOSS, jit_compile=COMPILED)
        other.fit(images, np.arange(4), verbose=0)
    for value, old in zip([*model.get_weights(), *softened.get_weights()], [*before, *mixes], strict=True):
        np.testing.assert_array_equal(value, old)
    # A layer used in another graph would have outputs of two nodes.
    assert model.get_layer("layer_1").output is nodes


def test_layers_keep_their_names_for_features(model, images):
    softened = soften(model, "all")
    for name in ("stem", "layer_0", "layer_2", "bn", "dense_1", "depthwise_0"):
        features = [outputs(keras.Model(m.input, m.get_layer(name).output), images) for m in (model, softened)]
        np.testing.assert_allclose(*features, atol=1e-4)
    assert {w.path for w in softened.weights if "shared" not in w.path} == {
        w.path for w in model.weights if w.name != "kernel" or w.path in ("stem/kernel", "head/kernel")
    }


def test_a_plan_says_what_softening_does_and_does_nothing(model):
    before = model.get_weights()
    plan = plan_softening(model, {"*conv2d_3x3x8x8": 2, "*dense*": 1})
    by_kind = {group.kind: group for group in plan.groups}
    assert set(by_kind) == {"Conv2D", "Dense", "DepthwiseConv2D"}
    conv, dense, depthwise = by_kind["Conv2D"], by_kind["Dense"], by_kind["DepthwiseConv2D"]
    assert (conv.templates, dense.templates, depthwise.templates) == (2, 1, None)
    assert (conv.parameters_before, conv.parameters_after) == (3 * 576, 2 * 576 + 6)
    assert (dense.parameters_before, dense.parameters_after) == (128, 64 + 2)
    assert depthwise.parameters_before == depthwise.parameters_after == 144
    assert [len(group.errors) for group in (conv, dense, depthwise)] == [3, 2, 2]
    assert conv.errors[0] > conv.errors[1] > 0.1 > conv.errors[2]
    assert conv.error == conv.errors[1]
    assert depthwise.error == 0
    softened = soften(model, {"*conv2d_3x3x8x8": 2, "*dense*": 1})
    assert plan == softened.soften_report
    assert (plan.parameters_before, plan.parameters_after) == (parameters(model), parameters(softened))
    assert json.loads(plan.to_json())["groups"][0]["members"]
    assert conv.name in str(plan)
    assert plan_softening(model).parameters_after == plan.parameters_before
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)

    kernels = np.stack([keras.ops.convert_to_numpy(model.get_layer(name).kernel) for name in conv.members])
    mixed = keras.ops.convert_to_numpy(softened.get_layer(conv.name).bank.kernels())
    lost = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(kernels, mixed, strict=True)]
    assert conv.error == pytest.approx(np.sqrt(np.mean(np.square(lost))), abs=1e-4)


def test_a_budget_is_kept_and_spent(model, images):
    total = parameters(model)
    least = plan_softening(model, 1).parameters_after
    errors = []
    for budget in (least, least + 200, total - 300, total - 1):
        plan = plan_softening(model, budget=budget)
        assert least <= plan.parameters_after <= budget
        assert parameters(soften(model, budget=budget)) == plan.parameters_after
        errors.append(sum(len(group.members) * group.error**2 for group in plan.groups))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1] > 0
    whole = plan_softening(model, budget=total)
    assert {group.templates for group in whole.groups} == {None}
    # What needs no softening is copied.
    copied = soften(model, budget=total)
    assert not {id(v) for v in copied.variables} & {id(v) for v in model.variables}
    np.testing.assert_allclose(outputs(copied, images), outputs(model, images), atol=1e-6)
    with pytest.raises(ValueError, match=f"{least} parameters. Received: budget={least - 1}"):
        plan_softening(model, budget=least - 1)


def test_groups_and_layers_are_excluded(model, images):
    softened = soften(model, 2, exclude=["layer_1", "*dense_8x8", "depthwise_?"])
    (group,) = softened.soften_report.groups
    assert group.members == ("layer_0", "layer_2")
    assert set(softened.soften_report.left_out) == {"layer_1", "depthwise_0", "depthwise_1"}
    assert isinstance(softened.get_layer("layer_1"), layers.Conv2D)
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-4)


def test_only_groups_of_enough_kernels_are_softened(model):
    plan = plan_softening(model, 3)
    assert {group.templates for group in plan.groups} == {3, None}


def test_roles_part_layers_of_one_shape(randomize_keras, images):
    def conv(name, **kwargs):
        return layers.Conv2D(8, 3, padding="same", name=name, **kwargs)

    frozen = [conv(f"frozen_{number}", trainable=False) for number in range(2)]
    decayed = [conv(f"decayed_{number}", kernel_regularizer=keras.regularizers.L2(0.1)) for number in range(2)]
    constrained = conv("constrained", kernel_constraint="non_neg")
    halves = [conv(f"half_{number}", dtype="mixed_bfloat16") for number in range(2)]
    adapted = conv("adapted", bias_regularizer="l1", activity_regularizer=keras.regularizers.L2(0.01))
    plain = [conv("plain"), adapted]
    model = randomize_keras(network(*frozen, *decayed, constrained, *halves, *plain, conv("lora")))
    model.get_layer("lora").enable_lora(2)
    softened = soften(model, "all")
    assert {group.members for group in softened.soften_report.groups} == {
        ("frozen_0", "frozen_1"),
        ("decayed_0", "decayed_1"),
        ("half_0", "half_1"),
        ("plain", "adapted"),
    }
    assert set(softened.soften_report.left_out) == {"constrained", "lora"}
    expected = outputs(model, images)
    np.testing.assert_allclose(outputs(softened, images), expected, atol=0.02 * np.abs(expected).max())
    # The losses of weights and of activations, each as it was.
    for network_ in (model, softened):
        network_(images)
    np.testing.assert_allclose(sum(map(float, softened.losses)), sum(map(float, model.losses)), rtol=1e-2)
    still = {weight.path for weight in softened.non_trainable_weights}
    names = {group.members[0]: group.name for group in softened.soften_report.groups}
    assert {f"{names['frozen_0']}/bank/templates", f"{names['frozen_0']}/bank/coefficients", "frozen_0/bias"} <= still
    again = keras.models.clone_model(softened)
    assert {weight.path for weight in again.non_trainable_weights} == still
    for network_ in (model, softened):
        network_.compile("sgd", LOSS, jit_compile=COMPILED)
    softened.fit(images, np.arange(4), verbose=0)


def test_normalization_that_was_adapted_is_kept(images):
    images_in = keras.Input(SHAPE)
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(images * 5 + 3)
    x = layers.Conv2D(3, 3, name="a")(normalization(images_in))
    model = keras.Model(images_in, layers.Conv2D(3, 3, name="b")(x))
    np.testing.assert_allclose(outputs(soften(model, "all"), images), outputs(model, images), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_precision_is_kept_and_trains(policy, images, randomize_keras):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = randomize_keras(network(*three(KINDS["3x3"])))
    finally:
        keras.config.set_dtype_policy(before)
    softened = soften(model, "all")
    (shared,) = [layer for layer in softened.layers if hasattr(layer, "bank")]
    assert shared.dtype_policy.name == policy
    assert {layer.dtype_policy.name for layer in (shared.bank, softened.get_layer("layer_0"))} == {policy}
    expected = outputs(model, images).astype("float32")
    assert np.abs(outputs(softened, images) - expected).max() <= 0.03 * np.abs(expected).max()
    softened = soften(model, 2)
    bank = softened.get_layer(shared.name).bank
    weights = [keras.ops.convert_to_numpy(weight).copy() for weight in bank.weights]
    softened.compile(keras.optimizers.SGD(0.1), LOSS, jit_compile=COMPILED)
    softened.fit(images, np.arange(4), epochs=2, verbose=0)
    for weight, old in zip(bank.weights, weights, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(weight) - old).max() > 0


def test_training_goes_on_from_the_templates(model, images):
    softened = soften(model, 2)
    softened.compile(keras.optimizers.Adam(0.01), LOSS, jit_compile=COMPILED)
    history = softened.fit(images, np.arange(4), epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2
    # Slots still mix the same templates.
    bank = softened.get_layer("shared_conv2d_3x3x8x8").bank
    kernels = keras.ops.convert_to_numpy(bank.kernels()).reshape(3, -1)
    assert np.linalg.matrix_rank(kernels, tol=1e-4) == 2


def keras_file(model, images, folder):
    model.save(folder / "model.keras")
    shapes = []
    with zipfile.ZipFile(folder / "model.keras") as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
        weights.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    assert sorted(shapes) == sorted(tuple(weight.shape) for weight in model.weights)
    return keras.saving.load_model(folder / "model.keras")


def weights_file(model, images, folder):
    model.save_weights(folder / "model.weights.h5")
    rebuilt = type(model).from_config(json.loads(json.dumps(model.get_config())))
    rebuilt.load_weights(folder / "model.weights.h5")
    return rebuilt


def clone(model, images, folder):
    cloned = keras.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    return cloned


def json_text(model, images, folder):
    rebuilt = keras.models.model_from_json(model.to_json())
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def deep_copy(model, images, folder):
    return copy.deepcopy(model)


def pickled(model, images, folder):
    return pickle.loads(pickle.dumps(model))


def saved_clone(model, images, folder):
    return keras_file(clone(model, images, folder), images, folder)


ROUTES = (keras_file, weights_file, clone, json_text, deep_copy, pickled, saved_clone)


@pytest.mark.parametrize("route", ROUTES)
def test_sharing_survives(route, model, images, tmp_path):
    softened = soften(model, 2)
    found = route(softened, images, tmp_path)
    assert_same(found, softened, images)
    assert not {id(v) for v in found.variables} & {id(v) for v in softened.variables}
    name = "shared_conv2d_3x3x8x8"
    assert [layer.name for layer in found.layers].count(name) == 1
    assert len(found.get_layer(name)._inbound_nodes) == 3
    # One template moves the outputs of every slot that mixes it.
    before = [outputs(keras.Model(found.input, found.get_layer(f"layer_{slot}").output), images) for slot in range(3)]
    templates = found.get_layer(name).bank.templates
    templates.assign(templates * 1.5)
    for slot in range(3):
        after = outputs(keras.Model(found.input, found.get_layer(f"layer_{slot}").output), images)
        assert np.abs(after - before[slot]).max() > 1e-3


def test_sharing_survives_in_the_parts_of_a_model(model, images, tmp_path):
    softened = soften(model, 2)
    middle = softened.get_layer("layer_1").output
    first, second = keras.Model(softened.input, middle), keras.Model(middle, softened.output)
    features = outputs(first, images)
    np.testing.assert_allclose(outputs(second, features), outputs(softened, images), atol=1e-5)
    for part, inputs in ((first, images), (second, features)):
        assert_same(keras_file(part, inputs, tmp_path), part, inputs)
    # In a larger model, twice.
    wide = keras.Input(SHAPE)
    larger = keras.Model(wide, layers.Add()([softened(wide), softened(layers.Rescaling(0.5)(wide))]))
    assert_same(keras_file(larger, images, tmp_path), larger, images)
    assert parameters(larger) == parameters(softened)


@pytest.mark.tensorflow
def test_keras_own_saved_model_and_another_backend(model, images, tmp_path):
    import tensorflow as tf

    softened = soften(model, 2)
    softened.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.serve(images), outputs(softened, images), atol=1e-5)
    files_open_on_jax({"softened": softened, "folded": fold(softened, 0.5)}, images, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_each_template_is_exported_once(format, folded, tmp_path, randomize_keras):
    """Of six kernels of 83 KB each; only the file with one passes the exporter's check of bytes."""
    pytest.importorskip("ai_edge_litert")
    images = x = keras.Input((8, 8, 48))
    for number in range(6):
        x = layers.Conv2D(48, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"bn_{number}")(x)
    for number in range(6):
        x = layers.Dense(48, activation="relu", name=f"dense_{number}")(x)
        x = layers.DepthwiseConv2D(3, padding="same", name=f"depthwise_{number}")(x)
    model = randomize_keras(keras.Model(images, layers.GlobalAveragePooling2D()(x)))
    softened = soften(model, 1)
    if folded:
        softened = fold(softened, 0)
        assert {type(layer.bank) for layer in softened.layers if hasattr(layer, "bank")} == {HardBank}
    report = recurzoo.export(softened, tmp_path / "model", format=format)
    kernels = 9 * 48 * 48 + 48 * 48 + 9 * 48
    assert report.parameters * 4 < kernels * 4 + 12_000
    assert report.bytes < kernels * 4 + 150_000
    if format == "onnx":
        import onnx

        graph = onnx.load(tmp_path / "model").graph
        sizes = [int(np.prod(tensor.dims)) for tensor in graph.initializer]
        assert [sizes.count(size) for size in (9 * 48 * 48, 48 * 48, 9 * 48)] == [1, 1, 1]


def test_a_softened_model_folds_and_materializes(model, images):
    softened = soften(model, 2)
    plain = materialize(softened)
    np.testing.assert_allclose(outputs(plain, images), outputs(softened, images), atol=1e-5)
    assert plain.fold_report.action == "materialize"
    name = "shared_conv2d_3x3x8x8"
    coefficients = keras.ops.convert_to_numpy(softened.get_layer(name).bank.coefficients)
    softened.get_layer(name).bank.coefficients.assign([coefficients[0], -2 * coefficients[0], coefficients[2]])
    similarity = softened.get_layer(name).bank.similarity()
    unit = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
    assert similarity[0, 1] == pytest.approx(1, abs=1e-5)
    assert similarity[0, 2] == pytest.approx(abs(unit[0] @ unit[2]), abs=1e-5)

    folded = fold(softened, 0.9999, data=(images, np.arange(4)))
    np.testing.assert_allclose(outputs(folded, images), outputs(softened, images), atol=1e-4)
    bank = folded.get_layer(name).bank
    assert bank.sharing.index == (0, 0, 1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(bank.scale), [1, -2, 1], atol=1e-5)
    assert {stage.name for stage in folded.fold_report.stages} == {
        layer.name for layer in softened.layers if hasattr(layer, "bank")
    }
    assert folded.fold_report.score_before == folded.fold_report.score_after
    assert name in str(folded.fold_report)
    with pytest.raises(ValueError, match="relaxed sharing"):
        consolidate(softened)
    with pytest.raises(ValueError, match="Received: 'net', which has none"):
        fold(model)


def test_what_is_softened_is_softened_further(model, images):
    softened = soften(model, "all", exclude="*dense*")
    (first, second, dense) = plan_softening(softened).groups
    assert (first.kind, first.members, len(first.errors)) == ("SoftBank", ("0", "1", "2"), 3)
    assert dense.members == ("dense_0", "dense_1")
    once, twice = soften(model, 2, exclude="*dense*"), soften(softened, {first.name: 2, second.name: 2})
    np.testing.assert_allclose(outputs(twice, images), outputs(once, images), atol=1e-4)
    assert parameters(twice) == parameters(once) == twice.soften_report.parameters_after
    both = soften(softened, 1)
    assert {group.templates for group in both.soften_report.groups} == {1}
    assert parameters(both) == both.soften_report.parameters_after


def test_a_wide_resnet_becomes_the_swrn_of_its_depth_and_width(randomize, rng):
    """Published: WRN-22-1 and SWRN-22-1-2 have 272,282 and 175,538 parameters."""
    images = rng.uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    plain = randomize(recurzoo.create("wrn-22-1", input_shape=(16, 16, 3)))
    exact, softened = soften(plain, "all"), soften(plain, 2)
    expected = outputs(plain, images)
    np.testing.assert_allclose(outputs(exact, images), expected, atol=1e-4 * np.abs(expected).max())
    assert (parameters(plain), parameters(softened)) == (272_282, 175_538)
    assert softened.soften_report.parameters_after == 175_538
    twin = recurzoo.create("swrn-22-1-2", input_shape=(16, 16, 3))
    values = {weight.path: weight for weight in softened.weights}
    for weight in twin.weights:
        weight.assign(values[weight.path])
    np.testing.assert_allclose(outputs(twin, images), outputs(softened, images), atol=1e-5)
    assert parameters(soften(plain, budget=200_000)) <= 200_000
    assert len(soften(plain, 2, exclude="stage_1/*").soften_report.groups) == 2
    with pytest.raises(ValueError, match="none"):
        soften(recurzoo.create("swrn-16-1-1", input_shape=(16, 16, 3)), 1)


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({}, "neither"),
        ({"templates": 2, "budget": 3000}, "templates=2 and budget=3000"),
        ({"templates": 0}, "templates=0"),
        ({"templates": 4}, "templates=4 for groups of 3"),
        ({"templates": "many"}, "templates='many'"),
        ({"templates": {"*": 3}}, "2 "),
        ({"templates": {"no_such": 1}}, "no_such; the groups are shared_conv2d"),
        ({"templates": 1, "exclude": "*"}, "but for those excluded"),
        ({"templates": 1, "method": "pca"}, "method='pca'"),
    ],
)
def test_bad_arguments_are_refused(arguments, received, model):
    with pytest.raises(ValueError, match="Received: .*" + received.replace("*", r"\*")):
        soften(model, **arguments)


def test_what_is_no_graph_is_refused(images):
    class Own(keras.Model):
        def call(self, x):
            return x

    for refused in (Own(), keras.Sequential([layers.Dense(2), layers.Dense(2)]), None):
        with pytest.raises(ValueError, match=r"Received: a (Own|Sequential|NoneType)"):
            soften(refused, 1)
    with pytest.raises(ValueError, match="which has none"):
        soften(network(), 1)


def test_keras_distills_the_original_into_the_softened(model, images, rng):
    softened = soften(model, 1)
    images = rng.uniform(0, 1, (64, *SHAPE)).astype("float32")
    labels = outputs(model, images).argmax(axis=1)

    def distance():
        return np.abs(outputs(softened, images) - outputs(model, images)).mean()

    before, weights = distance(), model.get_weights()
    distiller = keras.distillation.Distiller(
        teacher=model,
        student=softened,
        distillation_losses=keras.distillation.LogitsDistillation(temperature=2.0),
        student_loss_weight=0.1,
    )
    distiller.compile(keras.optimizers.Adam(0.01), LOSS, jit_compile=COMPILED)
    distiller.fit(images, labels, epochs=15, batch_size=32, verbose=0)
    assert distance() < 0.8 * before
    for value, old in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, old)


def check_application(name, images, randomize_keras, **kwargs):
    make = getattr(keras.applications, name)
    model = randomize_keras(make(weights=None, input_shape=images.shape[1:], classes=3, **kwargs))
    softened = soften(model, "all")
    expected = outputs(model, images)
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(outputs(softened, images), expected, atol=1e-4)
    # Each group's kernels, and nothing else, were replaced.
    assert parameters(softened) == parameters(model) + sum(
        len(group.members) ** 2 for group in softened.soften_report.groups
    )
    return model, softened


def test_a_small_mobilenet(randomize_keras, rng, tmp_path):
    images = rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    _, softened = check_application("MobileNetV2", images, randomize_keras, alpha=0.35)
    kinds = {group.kind for group in softened.soften_report.groups}
    assert kinds == {"Conv2D", "DepthwiseConv2D"}
    assert_same(keras_file(softened, images, tmp_path), softened, images)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", "VGG16", "EfficientNetV2B0", "ConvNeXtTiny"])
def test_applications(name, randomize_keras, rng, tmp_path):
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    model, softened = check_application(name, images, randomize_keras)
    assert_same(keras_file(softened, images, tmp_path), softened, images)
    halved = plan_softening(model, budget=int(0.8 * parameters(model)))
    assert halved.parameters_after <= 0.8 * parameters(model)
