"""Softening of any Keras model: equality with a template a kernel, what is planned, what is kept, and every route."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
from keras import layers

import recurzoo
from recurzoo.analysis.similarity import measure_similarity
from recurzoo.analysis.subject import Subject
from recurzoo.benchmarking import macs
from recurzoo.layers import SharedConv2D, SharedDense, SharedDepthwiseConv2D
from recurzoo.rewriting import consolidate, fold, materialize
from recurzoo.rewriting.soften import plan_softening, soften
from recurzoo.rewriting.templates import METHODS
from recurzoo.sharing import HardBank
from tests.support.routes import assert_same, files_open_on_jax, outputs, pass_every_route

SHAPE = (12, 12, 3)
# XLA takes seconds to compile for TensorFlow what runs in an instant.
COMPILED = keras.backend.backend() != "tensorflow"
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
CONV, DENSE, DEPTHWISE = "shared_conv2d_3x3x8x8", "shared_dense_8x8", "shared_depthwiseconv2d_3x3x8x1"


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


def conv(name, **kwargs):
    return layers.Conv2D(8, 3, padding="same", name=name, **kwargs)


@pytest.fixture
def model(randomize_keras):
    return randomize_keras(
        network(
            *[conv(f"layer_{number}", activation="relu") for number in range(3)],
            layers.BatchNormalization(name="bn"),
            *[layers.Dense(8, name=f"dense_{number}") for number in range(2)],
            *[layers.DepthwiseConv2D(3, name=f"depthwise_{number}") for number in range(2)],
            name="net",
        )
    )


KINDS = {
    "1x1": lambda number: layers.Conv2D(8, 1, use_bias=False),
    "strided": lambda number: layers.Conv2D(8, 3, strides=1 + (number == 1), padding="same"),
    "uneven strides": lambda number: layers.Conv2D(8, 3, strides=(2, 1), padding="same"),
    "dilated": lambda number: layers.Conv2D(8, 3, dilation_rate=1 + number, padding="same"),
    "grouped": lambda number: layers.Conv2D(8, 3, groups=2, activation="relu"),
    "a group a channel": lambda number: layers.Conv2D(8, 3, groups=8, padding="same"),
    "depthwise": lambda number: layers.DepthwiseConv2D(3, padding="same", activation="relu6"),
    "dense": lambda number: layers.Dense(8, activation="tanh"),
}
SHARED = {"depthwise": SharedDepthwiseConv2D, "dense": SharedDense}


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_a_kernel_leaves_outputs_as_they_are(kind, images, randomize_keras):
    model = randomize_keras(network(*[KINDS[kind](number) for number in range(3)]))
    for method in METHODS:
        softened = soften(model, "all", method=method)
        np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-4)
    (shared,) = [layer for layer in softened.layers if hasattr(layer, "bank")]
    assert type(shared) is SHARED.get(kind, SharedConv2D)
    # Of the kernels nothing is left but templates and coefficients.
    assert parameters(softened) == parameters(model) + 9
    fewer = soften(model, templates=2)
    size = int(np.prod(shared.kernel_shape))
    assert parameters(fewer) == parameters(model) - size + 6 == fewer.soften_report.parameters_after
    assert np.abs(outputs(fewer, images) - outputs(model, images)).max() > 1e-3


def test_layers_of_nested_models_share_across_them(images, randomize_keras):
    """Two functional models, one of them used twice, one that always normalizes by the batch, and sequential ones."""

    def body(name):
        inputs = keras.Input((None, None, 8))
        x = layers.BatchNormalization(name="bn")(conv("conv")(inputs))
        return keras.Model(inputs, layers.Dropout(0.5, name="drop")(layers.Add()([x, inputs])), name=name)

    twice, always = body("twice"), keras.Sequential([conv("conv"), layers.BatchNormalization(name="bn")])
    inner = keras.Sequential([conv("conv"), layers.ReLU()], name="inner")
    outer = keras.Sequential([keras.Input((None, None, 8)), inner, layers.BatchNormalization(name="bn")], name="outer")
    model = randomize_keras(network(twice, body("once"), outer, twice, lambda x: always(x, training=True)))
    softened = soften(model, "all")
    np.testing.assert_allclose(outputs(softened, images), outputs(model, images), atol=1e-4)
    (group,) = softened.soften_report.groups
    assert group.members == ("conv", "conv_2", "conv_3", "conv_4")
    assert not any(isinstance(layer, keras.Model) for layer in softened.layers)
    assert parameters(softened) == parameters(model) + 16
    whole = randomize_keras(keras.Sequential([keras.Input(SHAPE), layers.Conv2D(8, 3), conv("a"), conv("b")]))
    np.testing.assert_allclose(outputs(soften(whole, "all"), images), outputs(whole, images), atol=1e-4)


def test_several_inputs_and_outputs_and_a_layer_used_twice(rng, randomize_keras):
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    share = layers.Dense(8, name="share")
    outcomes = {"sum": share(left) + 2 * share(right), "dense": layers.Dense(8, name="other")(right)}
    model = randomize_keras(keras.Model({"left": left, "right": right}, outcomes))
    rows = {key: rng.normal(size=(3, 8)).astype("float32") for key in ("left", "right")}
    expected, softened = model(rows), soften(model, "all")
    for found in (softened(rows), materialize(softened)(rows)):
        assert set(found) == set(expected)
        for key in found:
            np.testing.assert_allclose(found[key], expected[key], atol=1e-5)


def test_a_plan_says_what_softening_does_and_does_nothing(model):
    before = model.get_weights()
    plan = plan_softening(model, {"*conv2d_3x3x8x8": 2, "*dense*": 1})
    by_kind = {group.kind: group for group in plan.groups}
    conv, dense, depthwise = by_kind["Conv2D"], by_kind["Dense"], by_kind["DepthwiseConv2D"]
    assert (conv.templates, dense.templates, depthwise.templates) == (2, 1, None)
    assert (conv.parameters_before, conv.parameters_after) == (3 * 576, 2 * 576 + 6)
    assert (dense.parameters_before, dense.parameters_after) == (128, 64 + 2)
    assert depthwise.parameters_before == depthwise.parameters_after == 144
    assert [len(group.errors) for group in (conv, dense, depthwise)] == [3, 2, 2]
    assert conv.errors[0] > conv.errors[1] == conv.error > 0.1 > conv.errors[2]
    softened = soften(model, {"*conv2d_3x3x8x8": 2, "*dense*": 1})
    assert plan == softened.soften_report
    assert (plan.parameters_before, plan.parameters_after) == (parameters(model), parameters(softened))
    assert macs(softened) == macs(model) > 144 * (3 * 576)
    assert json.loads(plan.to_json())["groups"][0]["members"]
    assert CONV in str(plan)
    assert plan_softening(model).parameters_after == plan.parameters_before
    assert {group.templates for group in plan_softening(model, 3).groups} == {3, None}

    kernels = np.stack([keras.ops.convert_to_numpy(model.get_layer(name).kernel) for name in conv.members])
    mixed = keras.ops.convert_to_numpy(softened.get_layer(CONV).bank.kernels())
    lost = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(kernels, mixed, strict=True)]
    assert conv.error == pytest.approx(np.sqrt(np.mean(np.square(lost))), abs=1e-4)
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_a_budget_is_kept_and_spent(model, images):
    total, least = parameters(model), plan_softening(model, 1).parameters_after
    errors = []
    for budget in (least, least + 200, total - 300, total - 1):
        plan = plan_softening(model, budget=budget)
        assert least <= plan.parameters_after <= budget
        errors.append(sum(len(group.members) * group.error**2 for group in plan.groups))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1] > 0
    assert parameters(soften(model, budget=total - 300)) <= total - 300
    # What needs no softening is copied.
    copied = soften(model, budget=total)
    assert {group.templates for group in copied.soften_report.groups} == {None}
    assert not {id(v) for v in copied.variables} & {id(v) for v in model.variables}
    np.testing.assert_allclose(outputs(copied, images), outputs(model, images), atol=1e-6)
    with pytest.raises(ValueError, match=f"{least} parameters. Received: budget={least - 1}"):
        plan_softening(model, budget=least - 1)


def test_roles_and_exclusions_part_layers_of_one_shape(randomize_keras, images):
    frozen = [conv(f"frozen_{number}", trainable=False) for number in range(2)]
    decayed = [conv(f"decayed_{number}", kernel_regularizer=keras.regularizers.L2(0.1)) for number in range(2)]
    halves = [conv(f"half_{number}", dtype="mixed_bfloat16") for number in range(2)]
    adapted = conv("adapted", bias_regularizer="l1", activity_regularizer=keras.regularizers.L2(0.01))
    others = [conv("plain"), adapted, conv("constrained", kernel_constraint="non_neg"), conv("lora"), conv("excluded")]
    model = randomize_keras(network(*frozen, *decayed, *halves, *others))
    model.get_layer("lora").enable_lora(2)
    softened = soften(model, "all", exclude="exclu*")
    names = {group.members: group.name for group in softened.soften_report.groups}
    pairs = {("frozen_0", "frozen_1"), ("decayed_0", "decayed_1"), ("half_0", "half_1"), ("plain", "adapted")}
    assert set(names) == pairs
    assert set(softened.soften_report.left_out) == {"constrained", "lora", "excluded"}
    assert isinstance(softened.get_layer("excluded"), layers.Conv2D)
    expected = outputs(model, images)
    np.testing.assert_allclose(outputs(softened, images), expected, atol=0.02 * np.abs(expected).max())
    # The losses of weights and of activations, each as it was.
    np.testing.assert_allclose(sum(map(float, softened.losses)), sum(map(float, model.losses)), rtol=1e-2)
    still = {weight.path for weight in softened.non_trainable_weights}
    bank = f"{names['frozen_0', 'frozen_1']}/bank"
    assert {f"{bank}/templates", f"{bank}/coefficients", "frozen_0/bias"} <= still
    assert {weight.path for weight in keras.models.clone_model(softened).non_trainable_weights} == still
    assert len(soften(model, 1, exclude=["*_[123]", "lora"]).soften_report.groups) == 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_precision_is_kept_and_trains(policy, images, randomize_keras):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = randomize_keras(network(*[conv(f"layer_{number}") for number in range(3)]))
    finally:
        keras.config.set_dtype_policy(before)
    expected = outputs(model, images).astype("float32")
    assert np.abs(outputs(soften(model, "all"), images) - expected).max() <= 0.03 * np.abs(expected).max()
    softened = soften(model, 2)
    shared = softened.get_layer(CONV)
    assert {x.dtype_policy.name for x in (shared, shared.bank, softened.get_layer("layer_0"))} == {policy}
    weights = [keras.ops.convert_to_numpy(weight).copy() for weight in shared.weights]
    softened.compile(keras.optimizers.SGD(0.1), LOSS, jit_compile=COMPILED)
    softened.fit(images, np.arange(4), verbose=0)
    for weight, old in zip(shared.weights, weights, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(weight) - old).max() > 0


def test_training_goes_on_and_leaves_the_original_alone(model, images):
    before, node = model.get_weights(), model.get_layer("layer_1").output
    softened = soften(model, 2)
    for network_ in (softened, fold(softened, 0.5)):
        old = softened.get_weights()
        network_.compile(keras.optimizers.Adam(0.01), LOSS, jit_compile=COMPILED)
        history = network_.fit(images, np.arange(4), epochs=15, verbose=0).history["loss"]
        assert history[-1] < history[0] / 2
    for value, expected in zip([*model.get_weights(), *softened.get_weights()], [*before, *old], strict=True):
        np.testing.assert_array_equal(value, expected)
    # A layer used in another graph would have outputs of two nodes.
    assert model.get_layer("layer_1").output is node
    # Slots still mix the same templates.
    kernels = keras.ops.convert_to_numpy(softened.get_layer(CONV).bank.kernels()).reshape(3, -1)
    assert np.linalg.matrix_rank(kernels, tol=1e-4) == 2


def keras_file(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def with_weights_of(model, rebuilt):
    rebuilt.set_weights(model.get_weights())
    return rebuilt


ROUTES = {
    "keras file": keras_file,
    "clone": lambda model, folder: keras_file(with_weights_of(model, keras.models.clone_model(model)), folder),
    "JSON": lambda model, folder: with_weights_of(model, keras.models.model_from_json(model.to_json())),
    "deep copy": lambda model, folder: copy.deepcopy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("route", ROUTES)
def test_sharing_survives(route, model, images, tmp_path):
    softened = soften(model, 2)
    found = ROUTES[route](softened, tmp_path)
    assert_same(found, softened, images)
    assert not {id(v) for v in found.variables} & {id(v) for v in softened.variables}
    assert [layer.name for layer in found.layers].count(CONV) == 1
    # Layers keep their names; one template moves the outputs of every slot that mixes it.
    features = keras.Model(found.input, [found.get_layer(f"layer_{slot}").output for slot in range(3)])
    before = features.predict(images, verbose=0)
    templates = found.get_layer(CONV).bank.templates
    templates.assign(templates * 1.5)
    for old, new in zip(before, features.predict(images, verbose=0), strict=True):
        assert np.abs(new - old).max() > 1e-3


@pytest.mark.tensorflow
def test_sharing_survives_in_files_and_parts(model, images, tmp_path):
    softened = soften(model, 2)
    pass_every_route(softened, images, tmp_path)
    middle = softened.get_layer("layer_1").output
    first, second = keras.Model(softened.input, middle), keras.Model(middle, softened.output)
    features = outputs(first, images)
    np.testing.assert_allclose(outputs(second, features), outputs(softened, images), atol=1e-5)
    assert_same(keras_file(second, tmp_path), second, features)
    # In a larger model, twice.
    wide = keras.Input(SHAPE)
    larger = keras.Model(wide, layers.Add()([softened(wide), softened(layers.Rescaling(0.5)(wide))]))
    assert_same(keras_file(larger, tmp_path), larger, images)
    assert parameters(larger) == parameters(softened)


@pytest.mark.others
@pytest.mark.tensorflow
def test_files_open_on_another_backend(model, images, tmp_path):
    softened = soften(model, 2)
    files_open_on_jax({"softened": softened, "folded": fold(softened, 0.5)}, images, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("format", "folded"), [("onnx", False), ("litert", True), ("saved_model", False)])
def test_each_template_is_exported_once(format, folded, tmp_path, randomize_keras):
    """Of four kernels of 83 KB each; only the file with one passes the exporter's check of bytes."""
    pytest.importorskip("ai_edge_litert")
    images = x = keras.Input((8, 8, 48))
    for number in range(4):
        x = layers.Conv2D(48, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
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
    if format == "onnx":
        import onnx

        sizes = [int(np.prod(tensor.dims)) for tensor in onnx.load(tmp_path / "model").graph.initializer]
        assert [sizes.count(size) for size in (9 * 48 * 48, 48 * 48, 9 * 48)] == [1, 1, 1]


def test_a_softened_model_is_analyzed_folds_and_materializes(model, images):
    softened = soften(model, 2)
    plain = materialize(softened)
    np.testing.assert_allclose(outputs(plain, images), outputs(softened, images), atol=1e-5)
    bank = softened.get_layer(CONV).bank
    coefficients = keras.ops.convert_to_numpy(bank.coefficients)
    bank.coefficients.assign([coefficients[0], -2 * coefficients[0], coefficients[2]])
    found = {bank.stage: bank for bank in measure_similarity(Subject(softened), 0.9999).banks}
    assert set(found) == {CONV, DENSE, DEPTHWISE}
    unit = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
    assert found[CONV].matrices[-1][0] == pytest.approx([1, 1, abs(unit[0] @ unit[2])], abs=1e-5)
    assert found[CONV].index == (0, 0, 1)

    folded = fold(softened, 0.9999, data=(images, np.arange(4)))
    np.testing.assert_allclose(outputs(folded, images), outputs(softened, images), atol=1e-4)
    bank = folded.get_layer(CONV).bank
    assert bank.sharing.index == (0, 0, 1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(bank.scale), [1, -2, 1], atol=1e-5)
    assert {stage.name for stage in folded.fold_report.stages} == set(found)
    assert folded.fold_report.score_before == folded.fold_report.score_after
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


def test_what_is_no_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    for refused in (Own(), keras.Sequential([layers.Dense(2), layers.Dense(2)]), None):
        with pytest.raises(ValueError, match=r"Received: a (Own|Sequential|NoneType)"):
            soften(refused, 1)
    with pytest.raises(ValueError, match="which has none"):
        soften(network(), 1)


def test_keras_distills_the_original_into_the_softened(model, rng):
    softened = soften(model, 1)
    images = rng.uniform(0, 1, (64, *SHAPE)).astype("float32")
    expected, weights = outputs(model, images), model.get_weights()
    before = np.abs(outputs(softened, images) - expected).mean()
    distiller = keras.distillation.Distiller(
        teacher=model,
        student=softened,
        distillation_losses=keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence()),
        student_loss_weight=0.1,
    )
    distiller.compile(keras.optimizers.Adam(0.01), LOSS, jit_compile=COMPILED)
    distiller.fit(images, expected.argmax(axis=1), epochs=15, batch_size=32, verbose=0)
    assert np.abs(outputs(softened, images) - expected).mean() < 0.8 * before
    for value, old in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, old)


# Each with as few pixels as it takes.
APPLICATIONS = ["ResNet50", "MobileNetV2", "VGG16", "EfficientNetV2B0", "ConvNeXtTiny"]


@pytest.mark.parametrize(
    ("name", "size", "kwargs"),
    [
        ("MobileNetV2", 32, {"alpha": 0.35}),
        *[pytest.param(name, 64, {}, marks=pytest.mark.slow, id=name) for name in APPLICATIONS],
    ],
)
def test_applications(name, size, kwargs, randomize_keras, rng, tmp_path):
    images = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
    make = getattr(keras.applications, name)
    model = randomize_keras(
        make(weights=None, input_shape=images.shape[1:], classes=3, classifier_activation=None, **kwargs)
    )
    softened = soften(model, "all")
    expected = outputs(model, images)
    # Random networks give logits of any size.
    size = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 0.01 * size
    np.testing.assert_allclose(outputs(softened, images), expected, atol=1e-4 * size)
    # Each group's kernels, and nothing else, were replaced.
    groups = softened.soften_report.groups
    assert parameters(softened) == parameters(model) + sum(len(group.members) ** 2 for group in groups)
    assert "Conv2D" in {group.kind for group in groups}
    loaded = keras_file(softened, tmp_path)
    np.testing.assert_allclose(outputs(loaded, images), outputs(softened, images), atol=1e-5 * size)
    budget = int(0.8 * parameters(model))
    assert plan_softening(model, budget=budget).parameters_after <= budget
    recurzoo.save(softened, tmp_path / "softened")
    weights = {weight.path: weight for weight in recurzoo.load(tmp_path / "softened").weights}
    for weight in softened.weights:
        # Larger kernels are stored as float16.
        np.testing.assert_allclose(weights.pop(weight.path), weight, rtol=1e-3, atol=1e-7)
    assert not weights
