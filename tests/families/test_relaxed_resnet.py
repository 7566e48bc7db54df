"""Relaxed ResNets: the paper's counts, what a block computes, and a member through all that a model goes through."""

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.catalog import catalog
from recurzoo.exporting import export
from recurzoo.families.counting import count_parameters
from recurzoo.models import RelaxedResNet
from recurzoo.sharing import RelaxedBank, tied
from recurzoo.zoo.listing import info
from tests.support import numpy_layers as reference
from tests.support import routes
from tests.support.precision import mixed_bfloat16

SMALL = {"num_classes": 3, "input_shape": (8, 8, 3)}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype="uint8")

# The tables of the paper; of relaxed rows the consolidated count, then what they hold while they train.
PUBLISHED = {
    "resnet-110": (1732010, 1732010),
    "resnet-110-relaxed-middle": (1437098, 1732010),
    "resnet-110-raw-middle": (1437098, 1437098),
    "resnet-110-minimal-middle": (1434026, 1434026),
    "resnet-110-relaxed-all": (179114, 1732010),
    "resnet-110-raw-all": (179114, 179114),
    "resnet-12": (168266, 168266),
    "resnet-24": (363146, 363146),
    "resnet-24-relaxed-all": (169610, 363146),
    "resnet-24-raw-all": (169610, 169610),
}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def outputs(model, images=IMAGES):
    return numpy(model(ops.convert_to_tensor(images), training=False))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_catalog_has_the_papers_counts(name):
    # That they are the networks' own is tested with the whole catalog.
    told = info(name)
    assert (told.parameters, told.training_parameters) == PUBLISHED[name]
    assert name in catalog.architecture_names()


@pytest.mark.parametrize("method", ["none", "raw", "relaxed", "minimal"])
@pytest.mark.parametrize("levels", ["middle", "all"])
def test_the_count_is_the_papers_formula(method, levels):
    blocks = (3, 2, 2)
    model = RelaxedResNet(blocks, method, levels)
    shared = {"middle": (1,), "all": (0, 1, 2)}[levels]
    if method == "minimal":
        blocks = tuple(1 if level in shared else count for level, count in enumerate(blocks))
    count = 70826 + 4704 * blocks[0] + 18624 * blocks[1] + 74112 * blocks[2]
    saved = sum((blocks[level] - 1) * (4608, 18432, 73728)[level] for level in shared)
    assert count_parameters(model) == count - saved * (method == "raw")
    assert count_parameters(model, consolidated=True) == count - saved * (method in ("raw", "relaxed"))


def test_what_is_not_catalogued_is_counted_in_both_forms():
    told = info("resnet-18-relaxed-middle")
    assert told.training_parameters - told.parameters == 18432


@pytest.mark.parametrize(
    ("blocks", "method", "levels", "told"),
    [
        ((18, 17), "none", "all", "three levels"),
        ((3, 0, 3), "none", "all", "at least one block"),
        ((3, 1, 3), "raw", "middle", "at least two blocks"),
        ((3, 3, 3), "soft", "all", "method='soft'"),
        ((3, 3, 3), "raw", "lower", "levels='lower'"),
    ],
)
def test_impossible_networks_are_refused(blocks, method, levels, told):
    with pytest.raises(ValueError, match=f"{told}|Received: .*{told}"):
        RelaxedResNet(blocks, method, levels)


def forward(model, images, death_rate):
    """The network in NumPy: every convolution biased, option A where the shape changes, ReLU after the sum."""
    arguments = model.architecture
    x = (images / 255 - np.array(arguments["mean"])) / np.array(arguments["std"])

    def normalize(layer, x, step=0):
        statistics = (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
        return reference.normalize(x, *(numpy(table)[step] for table in statistics))

    stem = model.get_layer("stem")
    x = reference.convolve(x, numpy(stem.kernel)) + numpy(stem.bias)
    x = reference.relu(normalize(model.get_layer("stem_bn"), x))
    number, total = 0, sum(stage.steps for stage in model.stages)
    for stage in model.stages:
        for step in range(stage.steps):
            number += 1
            slots = [stage.slot_of(site, step) for site in ("conv1", "conv2")]
            first, second = (numpy(bank.kernels())[slot] for bank, slot in slots)
            stride = stage.strides if step == 0 else 1
            h = reference.convolve(x, first, stride) + numpy(stage.biases["conv1"])[step]
            h = reference.relu(normalize(stage.normalizations["bn1"], h, step))
            h = reference.convolve(h, second) + numpy(stage.biases["conv2"])[step]
            h = normalize(stage.normalizations["bn2"], h, step)
            carried = x[:, ::stride, ::stride]
            carried = np.concatenate([carried, np.zeros((*carried.shape[:3], h.shape[-1] - carried.shape[-1]))], -1)
            x = reference.relu(carried + (1 - death_rate * number / total) * h)
    head = model.get_layer("head")
    return x.mean(axis=(1, 2)) @ numpy(head.kernel) + numpy(head.bias)


@pytest.mark.parametrize("death_rate", [0.0, 0.5])
@pytest.mark.parametrize("method", ["raw", "relaxed"])
def test_outputs_are_those_of_the_formula(method, death_rate, randomize):
    model = randomize(RelaxedResNet((2, 3, 2), method, death_rate=death_rate, **SMALL))
    expected = forward(model, IMAGES, death_rate)
    np.testing.assert_allclose(outputs(model), expected, atol=2e-4 * np.abs(expected).max())


def test_death_rates_rise_in_a_line_over_all_blocks():
    model = RelaxedResNet((18, 17, 17), "raw", death_rate=0.5, **SMALL)
    rates = [rate for stage in model.stages for rate in stage.death_rates]
    np.testing.assert_allclose(rates, 0.5 * np.arange(1, 55) / 54)
    assert RelaxedResNet((2, 2, 2), **SMALL).stages[0].death_rates is None


def test_only_kernels_are_shared_and_padding_blocks_never():
    model = RelaxedResNet((2, 2, 2), "raw", **SMALL)
    assert [stage.name for stage in model.stages] == [
        "level_1",
        "level_2_padding",
        "level_2",
        "level_3_padding",
        "level_3",
    ]
    level = model.get_layer("level_2")
    # First convolutions with first ones, second with second.
    assert [bank.sharing for bank in level.banks] == [tied(2), tied(2)]
    assert [tuple(bias.shape) for bias in level.biases.values()] == [(2, 32), (2, 32)]
    assert tuple(level.normalizations["bn1"].gamma.shape) == (2, 32)
    assert model.get_layer("level_2_padding").shortcut.weights == []
    middle = RelaxedResNet((2, 2, 2), "relaxed", "middle", **SMALL)
    relaxed = [stage.name for stage in middle.stages if isinstance(stage.banks[0], RelaxedBank)]
    assert relaxed == ["level_2"]


def test_the_penalty_is_a_plain_sum_over_sets(randomize):
    model = randomize(RelaxedResNet((2, 3, 2), "relaxed", **SMALL))
    expected = 0.0
    for number, name in enumerate(("level_1", "level_2", "level_3"), start=1):
        for bank in model.get_layer(name).banks:
            bank.pull.assign(0.1 * number)
            kernels = numpy(bank.templates).astype("float64")
            expected += 0.1 * number * np.sum((kernels - kernels.mean(axis=0)) ** 2)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.fixture(params=["relaxed", "consolidated"])
def member(request, randomize):
    model = RelaxedResNet((2, 2, 2), "relaxed", death_rate=0.5, **SMALL)
    model = randomize(model)
    return recurzoo.consolidate(model) if request.param == "consolidated" else model


@pytest.mark.tensorflow
def test_all_save_routes(member, tmp_path):
    routes.pass_every_route(routes.with_trained_logits(member), IMAGES.astype("float32"), tmp_path)


def test_a_checkpoint_holds_the_consolidated_form_and_opens(member, tmp_path):
    record = recurzoo.save(member, tmp_path / "x")
    assert record.architecture == "resnet-18-relaxed-all"
    np.testing.assert_allclose(outputs(recurzoo.load(tmp_path / "x")), outputs(member), rtol=1e-4, atol=1e-4)
    assert "Towards Efficient Recurrent Visual Models" in (tmp_path / "x" / "README.md").read_text()
    if not any(isinstance(bank, RelaxedBank) for stage in member.stages for bank in stage.banks):
        assert record.sharing == "hard: level_1, level_2 and level_3 each have 2 times 1 kernel for 2 convolutions"
        assert record.parameters == info("resnet-18-relaxed-all").parameters - 7 * 65


@pytest.mark.others
@pytest.mark.tensorflow
def test_its_file_opens_on_jax(randomize, tmp_path):
    model = randomize(RelaxedResNet((2, 2, 2), "relaxed", **SMALL))
    routes.files_open_on_jax({"x": routes.with_trained_logits(model)}, IMAGES, tmp_path)


def test_mixed_precision_trains(rng):
    with mixed_bfloat16():
        model = RelaxedResNet((2, 2, 2), "relaxed", death_rate=0.5, **SMALL)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernels = numpy(model.get_layer("level_2").banks[0].templates).copy()
    assert np.isfinite(model.train_on_batch(IMAGES, np.arange(4) % 3))
    assert model.output.dtype == "float32"
    assert not np.array_equal(kernels, numpy(model.get_layer("level_2").banks[0].templates))


def test_folding_ties_what_pulling_has_made_alike(randomize):
    model = randomize(RelaxedResNet((3, 2, 2), "relaxed", "middle", input_shape=(8, 8, 3)))
    for bank in model.get_layer("level_2").banks:
        kernels = numpy(bank.templates)
        bank.templates.assign(kernels[:1] + 1e-3 * kernels)
    folded = recurzoo.fold(model, 0.99)
    assert [bank.sharing.index for bank in folded.get_layer("level_2").banks] == [(0, 0), (0, 0)]
    assert folded.get_layer("level_1").banks[0].sharing.index == (0, 1, 2)
    assert folded.fold_report.angle < 0.2


@pytest.mark.tensorflow
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_the_consolidated_form_is_exported_with_each_kernel_once(format, randomize, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    model = recurzoo.consolidate(randomize(RelaxedResNet((3, 2, 2), "relaxed", "middle", 0.5, **SMALL)))
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel / 10)
    # The export itself compares outputs, and bytes with those of the parameters.
    report = export(model, tmp_path / "x", format)
    assert report.bytes <= report.bytes_limit
