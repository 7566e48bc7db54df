"""Folding, materializing, consolidating, and measuring batch-normalization statistics anew."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import BottleneckBlock, PostActivationBlock, StepNormalization
from recurzoo.models import SWRN, BottleneckSWRN, ZooModel
from recurzoo.rewriting import consolidate, fold, materialize, reestimate_batch_norm
from recurzoo.sharing import HardSharing, Loop, RelaxedSharing, SoftSharing, tied

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 8, 8, 3), dtype="uint8")
LABELS = RNG.integers(0, 10, 12)


@keras.saving.register_keras_serializable("recurzoo_test_folding")
class OneStage(ZooModel):
    """One stage with a bank for each convolution, on top of a stem."""

    def __init__(self, block, given, normalization="independent", input_shape=(8, 8, 3), name=None, **kwargs):
        x = self.begin(input_shape, **kwargs)
        x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(x)
        stage = {"death_rates": [0.5] * 4} if normalization != "none" else {}
        x = self.stage(block, 4, given, "stage", normalization=normalization, **stage)(x)
        self.finish(x, 10, name)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def outputs(model, images=IMAGES):
    return numpy(model(ops.convert_to_tensor(images), training=False))


def relative_difference(a, b):
    return np.abs(a - b).max() / np.abs(a).max()


@pytest.fixture
def swrn(randomize):
    return randomize(SWRN(28, 1, 1, input_shape=(8, 8, 3)))


@pytest.mark.parametrize("threshold", [0.9, 1.0])
def test_a_net_of_one_template_folds_to_one_kernel_a_stage_with_equal_outputs(swrn, threshold):
    folded = fold(swrn, threshold)

    assert [stage.banks[0].templates.shape[0] for stage in folded.stages[1::2]] == [1, 1, 1]
    assert relative_difference(outputs(swrn), outputs(folded)) < 1e-5
    report = folded.fold_report
    # WRN-28-1 has a stem, 24 convolutions in blocks, and two 1x1 shortcuts; in each stage 6 of 8 become one.
    assert (report.layers_before, report.layers_after) == (27, 12)
    assert report.weight_error < 1e-6
    assert report.stages[0].banks[0].loops == (Loop(0, 1, 6),)
    assert report.stages[0].loops == (Loop(0, 1, 3),)
    np.testing.assert_allclose(report.stages[2].banks[0].similarity, np.ones((6, 6)), atol=1e-6)


def test_threshold_zero_ties_all_slots_and_the_counts_are_those_of_the_published_fold():
    model = SWRN(40, 2, 3, input_shape=(8, 8, 3))
    folded = fold(model, 0)
    # 40 layers count the stem and three shortcuts; folded, a stage keeps its first two and one kernel.
    assert (folded.fold_report.layers_before, folded.fold_report.layers_after) == (40, 4 + 3 * 3)
    # Of three templates one is left, and of three coefficients a slot one scale.
    saved = sum(2 * 9 * c * c + 2 * 10 for c in (32, 64, 128))
    assert folded.fold_report.parameters_before - folded.fold_report.parameters_after == saved


def test_slots_are_tied_in_pattern_with_their_signed_scales(randomize):
    model = randomize(SWRN(28, 1, 2, input_shape=(8, 8, 3)))
    # a b a | b -2a -b, so that the pattern of two slots is one block, run three times.
    coefficients = np.array([[1, 0], [0, 1], [3, 0], [0, 0.5], [-2, 0], [0, -1]], "float32")
    for stage in model.stages[1::2]:
        stage.banks[0].coefficients.assign(coefficients)
    folded = fold(model, 0.99)

    bank = folded.get_layer("stage_2").banks[0]
    assert bank.sharing == HardSharing((0, 1, 0, 1, 0, 1), scaled=True)
    np.testing.assert_allclose(numpy(bank.scale), [1, 1, 3, 0.5, -2, -1], rtol=1e-6)
    assert relative_difference(outputs(model), outputs(folded)) < 1e-5
    stage = folded.fold_report.stages[1]
    assert stage.banks[0].loops == (Loop(0, 2, 3),)
    assert stage.loops == (Loop(0, 1, 3),)


def test_the_reported_error_is_the_sine_of_the_angle():
    model = SWRN(16, 1, 2, input_shape=(8, 8, 3))
    bank = model.get_layer("stage_1").banks[0]
    basis = np.linalg.qr(RNG.normal(size=(9 * 16 * 16, 2)))[0].T
    bank.templates.assign(basis.reshape(2, 3, 3, 16, 16))
    bank.coefficients.assign([[2, 0], [3 * np.cos(0.3), 3 * np.sin(0.3)]])
    report = fold(model, np.cos(0.31)).fold_report

    assert report.stages[0].banks[0].index == (0, 0)
    assert report.stages[0].banks[0].weight_error == pytest.approx(np.sin(0.3), abs=1e-5)
    assert report.stages[0].banks[0].angle == pytest.approx(np.degrees(0.3), abs=1e-3)


def test_a_plain_net_folds_only_where_its_kernels_are_alike(randomize):
    model = randomize(SWRN(16, 1, None, input_shape=(8, 8, 3)))
    unchanged = fold(model, 0.9)
    assert unchanged.fold_report.layers_after == unchanged.fold_report.layers_before
    np.testing.assert_array_equal(outputs(model), outputs(unchanged))

    templates = model.get_layer("stage_3").banks[0].templates
    templates.assign(np.stack([numpy(templates)[0], -0.5 * numpy(templates)[0]]))
    folded = fold(model, 0.9)
    assert folded.fold_report.layers_after == folded.fold_report.layers_before - 1
    assert relative_difference(outputs(model), outputs(folded)) < 1e-5


def test_banks_of_single_convolutions_fold_one_by_one(randomize):
    model = randomize(BottleneckSWRN(50, 1, 1, num_classes=3, input_shape=(32, 32, 3)))
    folded = fold(model)
    images = RNG.integers(0, 256, (2, 32, 32, 3), dtype="uint8")
    assert relative_difference(outputs(model, images), outputs(folded, images)) < 1e-5
    # Stem, four projections and four first convolutions stay; twelve banks become a kernel each.
    assert (folded.fold_report.layers_before, folded.fold_report.layers_after) == (1 + 4 + 48, 1 + 4 + 4 + 12)


def test_a_folded_model_saves_and_loads_and_folds_again(swrn, tmp_path):
    folded = fold(swrn)
    folded.save(tmp_path / "folded.keras")
    loaded = keras.saving.load_model(tmp_path / "folded.keras")
    np.testing.assert_allclose(outputs(loaded), outputs(folded), rtol=1e-6, atol=1e-6)
    again = fold(loaded)
    assert again.architecture["sharing"] == folded.architecture["sharing"]
    assert again.fold_report.layers_before == 12


def test_folding_keeps_mixed_precision(randomize):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(SWRN(16, 1, 1, input_shape=(8, 8, 3)))
    finally:
        keras.config.set_dtype_policy(policy)
    folded = fold(model)
    assert folded.dtype_policy.name == "mixed_bfloat16"
    assert folded.fold_report.weight_error < 1e-6
    assert relative_difference(outputs(model), outputs(folded)) < 0.05


def test_materializing_gives_equal_outputs_and_plain_kernels(randomize):
    model = randomize(SWRN(16, 1, 1, input_shape=(8, 8, 3)))
    plain = materialize(model)
    assert relative_difference(outputs(model), outputs(plain)) < 1e-6
    assert plain.get_layer("stage_1").banks[0].sharing == HardSharing((0, 1))
    assert plain.fold_report.parameters_after == SWRN(16, 1, None).count_params() - sum(
        int(np.prod(weight.shape)) for weight in model.non_trainable_weights
    )
    with pytest.raises(ValueError, match=r"softly shared kernels. Received: .*HardSharing"):
        materialize(plain)


def test_consolidating_keeps_biases_and_normalizations(randomize):
    model = randomize(OneStage(PostActivationBlock(4, bias="per_step"), RelaxedSharing(0.1)))
    consolidated = consolidate(model, (IMAGES, LABELS))

    before, after = model.get_layer("stage"), consolidated.get_layer("stage")
    for bank, mean in zip(before.banks, after.banks, strict=True):
        assert mean.sharing == tied(4)
        np.testing.assert_allclose(numpy(mean.templates)[0], numpy(bank.templates).mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(numpy(after.biases["conv2"]), numpy(before.biases["conv2"]))
    report = consolidated.fold_report
    # Four independent directions are about 60 degrees from their mean.
    assert 45 < report.angle < 75
    assert report.score_before == np.mean(outputs(model).argmax(axis=1) == LABELS)
    assert report.score_after == np.mean(outputs(consolidated).argmax(axis=1) == LABELS)
    assert report.score_reestimated is None
    with pytest.raises(ValueError, match=r"relaxed sharing\. Received"):
        consolidate(consolidated)


def test_the_report_reads_as_text_and_as_json(swrn):
    report = fold(swrn, 0.9, (IMAGES, LABELS), IMAGES, batch_size=5).fold_report
    read = json.loads(json.dumps(report.to_dict()))
    assert read["stages"][0]["banks"][0]["loops"] == [{"start": 0, "period": 1, "repeats": 6}]
    assert read["score_before"] == report.score_before == report.score_after
    assert report.score_reestimated is not None
    assert report.statistics_reestimated
    for part in ("fold at similarity 0.9", "layers", "27", "12", "1 x 6", "statistics measured anew"):
        assert part in str(report)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"threshold": 1.5}, "between 0 and 1. Received: threshold=1.5"),
        ({"data": (IMAGES, LABELS[:3])}, "with a label each.* 3 labels"),
        ({"train_images": IMAGES[:0]}, "at least one image.*Received: 0 images"),
    ],
)
def test_bad_arguments_are_refused(swrn, kwargs, message):
    with pytest.raises(ValueError, match=message):
        fold(swrn, **kwargs)


def test_a_net_without_several_slots_cannot_fold():
    with pytest.raises(ValueError, match="stage of several steps"):
        fold(SWRN(10, 1, None, input_shape=(8, 8, 3)))
    with pytest.raises(ValueError, match="which has none"):
        fold(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="Received: Dense"):
        fold(keras.layers.Dense(2))


def test_the_first_normalization_gets_the_statistics_of_all_images_however_batched(randomize):
    model = randomize(SWRN(10, 1, None, dropout=0.5, input_shape=(8, 8, 3)))
    normalization = model.get_layer("stage_1_entry").normalizations["bn1"]
    reached = numpy(keras.Model(model.inputs[0], model.get_layer("stem").output)(IMAGES)).astype("float64")
    others = {weight.path: numpy(weight) for weight in model.weights if "moving" not in weight.name}

    reestimate_batch_norm(model, IMAGES, batch_size=5)

    np.testing.assert_allclose(numpy(normalization.moving_mean)[0], reached.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(numpy(normalization.moving_variance)[0], reached.var(axis=(0, 1, 2)), rtol=1e-4)
    for weight in model.weights:
        if "moving" not in weight.name:
            np.testing.assert_array_equal(numpy(weight), others[weight.path])


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("normalization", ["independent", "shared"])
def test_each_step_gets_the_statistics_of_a_numpy_forward_pass(normalization, unroll, randomize):
    """What is measured is the forward pass by batch statistics, with stochastic depth as in inference."""
    model = randomize(OneStage(PostActivationBlock(4), tied(4), normalization, unroll=unroll))
    reestimate_batch_norm(model, IMAGES, batch_size=len(IMAGES))
    stage = model.get_layer("stage")
    kernels = [numpy(bank.templates)[0] for bank in stage.banks]

    def normalize(site, x, step, seen):
        layer = stage.normalizations[site]
        row = step if normalization == "independent" else 0
        seen.setdefault((site, row), []).append((x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))))
        mean, variance = seen[site, row][-1]
        return (x - mean) / np.sqrt(variance + 1e-5) * numpy(layer.gamma)[row] + numpy(layer.beta)[row]

    def convolve(x, kernel):
        return numpy(ops.conv(x.astype("float32"), kernel, padding="same")).astype("float64")

    seen = {}
    x = numpy(keras.Model(model.inputs[0], model.get_layer("stem").output)(IMAGES)).astype("float64")
    for step in range(4):
        h = np.maximum(normalize("bn1", convolve(x, kernels[0]), step, seen), 0)
        h = normalize("bn2", convolve(h, kernels[1]), step, seen)
        x = np.maximum(x + 0.5 * h, 0)
    for (site, row), statistics in seen.items():
        mean, variance = np.mean(statistics, axis=0)
        np.testing.assert_allclose(numpy(stage.normalizations[site].moving_mean)[row], mean, atol=1e-4)
        np.testing.assert_allclose(numpy(stage.normalizations[site].moving_variance)[row], variance, rtol=1e-3)
    assert stage.unroll is unroll


def test_images_that_come_class_by_class_are_mixed(randomize):
    """Batches of one class would normalize away what tells the classes apart."""
    model = randomize(SWRN(10, 1, None, input_shape=(8, 8, 3)))
    dark, bright = RNG.integers(0, 60, (40, 8, 8, 3)), RNG.integers(200, 256, (40, 8, 8, 3))
    images = np.concatenate([dark, bright]).astype("uint8")

    def deepest(batch_size):
        reestimate_batch_norm(model, images, batch_size)
        return numpy(model.get_layer("bn").moving_variance)[0]

    np.testing.assert_allclose(deepest(40), deepest(80), rtol=0.3)


def test_a_failed_measurement_changes_nothing(randomize):
    model = randomize(SWRN(10, 1, None, input_shape=(8, 8, 3)))
    before = [numpy(weight) for weight in model.weights]
    with pytest.raises(Exception, match=r"shape|dimension"):
        reestimate_batch_norm(model, np.zeros((4, 8, 8, 5), "uint8"))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)
    layers = model._flatten_layers()
    assert all(layer.observer is None for layer in layers if isinstance(layer, StepNormalization))


def test_what_cannot_be_measured_is_refused():
    model = OneStage(BottleneckBlock(4, 4), SoftSharing(1), "none")
    with pytest.raises(ValueError, match="which has none"):
        reestimate_batch_norm(model, IMAGES)


@pytest.mark.parametrize("trainable", [True, False])
def test_keras_own_normalizations_are_measured_too(trainable):
    images_in = keras.Input((8, 8, 3))
    first = keras.layers.BatchNormalization(name="first", trainable=trainable)
    x = keras.layers.Dropout(0.5)(keras.layers.ReLU()(first(images_in)))
    x = keras.layers.BatchNormalization(name="second", axis=1, trainable=trainable)(x)
    model = keras.Model(images_in, x)
    for weight in model.weights:
        if "moving" not in weight.name and weight.path.split("/")[-1] in ("gamma", "beta"):
            weight.assign(np.random.default_rng(1).uniform(0.5, 2, weight.shape))
    reestimate_batch_norm(model, IMAGES, batch_size=len(IMAGES))
    x = IMAGES.astype("float64")
    for layer, axes, shape in ((first, (0, 1, 2), (1, 1, 1, 3)), (model.get_layer("second"), (0, 2, 3), (1, 8, 1, 1))):
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        np.testing.assert_allclose(numpy(layer.moving_mean), mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(numpy(layer.moving_variance), variance, rtol=1e-3, atol=1e-4)
        gamma, beta = (numpy(w).reshape(shape) for w in (layer.gamma, layer.beta))
        x = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + layer.epsilon) * gamma + beta
        assert "call" not in vars(layer)
        x = np.maximum(x, 0)
    # Measured again in smaller batches, the first one's are the same: those of all images together.
    before = numpy(first.moving_mean).copy()
    reestimate_batch_norm(model, IMAGES, batch_size=4)
    np.testing.assert_allclose(numpy(first.moving_mean), before, rtol=1e-4)
