"""RC-n against a network written out in NumPy, and all that is done with models, on a tiny one."""

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.base.errors import UnknownNameError
from recurzoo.catalog.catalog import architecture
from recurzoo.catalog.names import name_of
from recurzoo.families.counting import count_parameters
from recurzoo.models import RC
from recurzoo.sharing import Loop, tied
from tests.support.counts import count_of
from tests.support.numpy_layers import convolve, normalize, relu
from tests.support.precision import mixed_bfloat16

TINY = {"width": 3, "num_classes": 5, "input_shape": (8, 8, 3)}
# Table 2 and what follows for a hundred classes; facts of table 1 need no table: the cells' normalizations go.
COUNTS = {
    "rc-1": (1_259_082, 1_282_212),
    "rc-2": (1_260_362, 1_283_492),
    "rc-4": (1_262_922, 1_286_052),
    "rc-resnet-10": (2_513_738, 2_536_868),
    "rc-resnet-18": (5_023_050, 5_046_180),
    "rc-4-shared-bn": (1_259_082, 1_282_212),
    "rc-4-no-bn": (1_257_802, 1_280_932),
}


@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(name):
    assert tuple(count_of(name, num_classes=classes) for classes in (10, 100)) == COUNTS[name]


def average(x):
    return sum(x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4


def network(model, images, steps, normalization="independent", recurrent=True, pre_activation=False):
    """Appendix A in NumPy, from the model's arrays."""
    weights = {w.path: ops.convert_to_numpy(w).astype("float64") for w in model.weights}

    def norm(path, step, x):
        if normalization == "none" and "cell" in path:
            return x
        row = 0 if normalization == "shared" else step
        return normalize(x, *(weights[f"{path}/{n}"][row] for n in ("moving_mean", "moving_variance", "gamma", "beta")))

    def block(cell, step, x):
        first, second = (weights[f"{cell}/conv{i}_bank/templates"][step if recurrent is False else 0] for i in (1, 2))
        if pre_activation:
            h = convolve(relu(norm(f"{cell}/bn1", step, x)), first)
            return x + convolve(relu(norm(f"{cell}/bn2", step, h)), second)
        h = relu(norm(f"{cell}/bn1", step, convolve(x, first)))
        return relu(x + norm(f"{cell}/bn2", step, convolve(h, second)))

    architecture = model.architecture
    x = (images / 255 - np.array(architecture["mean"])) / np.array(architecture["std"])
    x = relu(norm("stem_bn", 0, convolve(x, weights["stem/kernel"])))
    for cell in ("cell_1", "cell_2"):
        for step in range(steps):
            # RC-1 before its step, RC-2 before its second, RC-4 between its second and third.
            if step == {1: 0, 2: 1, 3: 1, 4: 2}[steps]:
                x = average(x)
            x = block(cell, step, x)
        if cell == "cell_1":
            x = np.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)
    return x.mean(axis=(1, 2)) @ weights["head/kernel"] + weights["head/bias"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"steps": 1},
        {"steps": 2},
        {"steps": 4},
        {"steps": 3, "normalization": "shared"},
        {"steps": 2, "normalization": "none"},
        {"steps": 2, "recurrent": False},
        {"steps": 2, "pre_activation": True},
    ],
    ids=str,
)
def test_the_network_is_the_papers(arguments, images, randomize):
    model = randomize(RC(**arguments, **TINY))
    expected = network(model, images, **arguments)
    found = ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    looped = model.with_architecture(unroll=False)
    looped.set_weights(model.get_weights())
    np.testing.assert_allclose(looped(images, training=False), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_cell_runs_as_two_loops_about_its_pooling():
    stage = RC(4, **TINY).get_layer("cell_2")
    assert stage.loops() == [Loop(0, 1, 2), Loop(2, 1, 2)]
    assert all(bank.sharing == tied(4) for bank in stage.banks)


def test_weights_may_start_as_pytorch_has_it():
    """Every kernel, and the head's bias, uniform between plus and minus one over the root of its fan-in."""
    he, pytorch = (RC(2, 16, initializer=word, input_shape=(8, 8, 3)) for word in ("he_normal", "pytorch"))
    kernels = [path for path in (w.path for w in he.weights) if path.endswith(("kernel", "templates"))]
    assert len(kernels) == 1 + 2 * 2 + 1
    for path in kernels:
        first, second = ({w.path: ops.convert_to_numpy(w) for w in model.weights}[path] for model in (he, pytorch))
        fan_in = np.prod(first.shape[-4:-1])
        assert first.var() == pytest.approx(2 / fan_in, rel=0.2), path
        assert second.var() == pytest.approx(1 / (3 * fan_in), rel=0.2), path
        assert np.abs(second).max() <= 1 / np.sqrt(fan_in), path
    bias = ops.convert_to_numpy(pytorch.get_layer("head").bias)
    assert 0 < np.abs(bias).max() <= 1 / np.sqrt(64)
    assert not ops.convert_to_numpy(he.get_layer("head").bias).any()


def test_how_weights_start_is_kept_and_no_part_of_the_name():
    model = RC(4, 16, initializer="pytorch", input_shape=(8, 8, 3))
    assert name_of("RC", model.architecture) == "rc-4-w16"
    again = type(model).from_config(model.get_config())
    assert again.architecture["initializer"] == "pytorch"
    stage = again.get_layer("cell_1")
    assert type(stage).from_config(stage.get_config()).kernel_initializer == "pytorch"
    # As files say that were written before there was a choice.
    config = {key: setting for key, setting in RC(4, **TINY).get_config().items() if key != "initializer"}
    assert RC.from_config(config).architecture["initializer"] == "he_normal"


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"width": 0}, {"steps": 1.5}, {"normalization": "no_affine"}, {"initializer": "glorot_uniform"}],
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        RC(**{**TINY, **wrong})


def test_images_of_sizes_that_cannot_be_halved_are_refused():
    for sides in ((10, 10), (4, 4), (16, 7)):
        with pytest.raises(ValueError, match="8 or more"):
            RC(4, width=3, input_shape=(*sides, 3))
    assert RC(4, width=3, input_shape=(9, 13, 3)).output_shape == (None, 10)
    with pytest.raises(ValueError, match="divisible by 2"):
        RC(4, width=3, input_shape=(None, None, 3))(np.zeros((1, 10, 10, 3)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rc-4", {"steps": 4}),
        ("rc-4-w16", {"steps": 4, "width": 16}),
        ("rc-3-shared-bn", {"steps": 3, "normalization": "shared"}),
        ("rc-7-w8-preact-no-bn", {"steps": 7, "width": 8, "pre_activation": True, "normalization": "none"}),
        ("rc-resnet-18-w16", {"steps": 4, "width": 16, "recurrent": False}),
    ],
)
def test_names(name, arguments):
    read = architecture(name)
    assert read.model == "recurzoo.families.rc.network:RC"
    plain = {"width": 64, "normalization": "independent", "recurrent": True, "pre_activation": False}
    assert read.arguments == {**plain, **arguments}
    assert name_of("RC", read.arguments) == name


@pytest.mark.parametrize("name", ["rc-0", "rc-resnet-12", "rc-resnet-2", "rc-4-w0", "rc-4-w64", "rc-4-bn"])
def test_other_names_are_refused(name):
    with pytest.raises(UnknownNameError, match="Received: "):
        architecture(name)


def test_the_papers_recipes():
    """Appendix B: 120 epochs up to depth 10, 160 above; steps at 60 and 90; gradients within 0.1."""
    from recurzoo.catalog.recipe import load_recipe

    for name, epochs in {"rc-1": 120, "rc-2": 120, "rc-resnet-10": 120, "rc-4": 160, "rc-resnet-18": 160}.items():
        for data in ("cifar10", "cifar100"):
            recipe = load_recipe(f"{name}.{data}.paper")
            assert (recipe.epochs, recipe.batch_size, recipe.schedule.epochs) == (epochs, 128, (60, 90))
            optimizer = recipe.optimizer
            assert (optimizer.learning_rate, optimizer.momentum, optimizer.nesterov) == (0.1, 0.9, False)
            assert (optimizer.weight_decay, optimizer.clip_value) == (1e-4, 0.1)


@pytest.mark.tensorflow
def test_half_precision(images, randomize):
    wide = randomize(RC(2, **TINY))
    with mixed_bfloat16():
        half = RC(2, **TINY)
    half.set_weights(wide.get_weights())
    found = half(images, training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = ops.convert_to_numpy(wide(images, training=False))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_the_untied_twin_folds_to_the_recurrent_network(images, randomize):
    """Where the kernels of all steps are equal, folding finds the loops that RC-n is made of."""
    twin = randomize(RC(4, recurrent=False, **TINY))
    for stage in twin.stages:
        for bank in stage.banks:
            bank.templates.assign(np.repeat(ops.convert_to_numpy(bank.templates)[:1], 4, axis=0))
    folded = recurzoo.fold(twin, threshold=0.99)
    recurrent = RC(4, **TINY)
    assert folded.fold_report.parameters_after == count_parameters(recurrent)
    assert [stage.loops() for stage in folded.stages] == [stage.loops() for stage in recurrent.stages]
    expected = ops.convert_to_numpy(twin(images, training=False))
    np.testing.assert_allclose(folded(images, training=False), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.tensorflow
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_an_exported_file_holds_each_kernel_once(format, tmp_path, randomize):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    # Outputs and bytes are checked by `export` itself; so wide that a second copy of the kernels would break the limit.
    report = recurzoo.export(randomize(RC(4, width=16, input_shape=(8, 8, 3))), tmp_path / "model", format=format)
    assert report.bytes < 2 * report.parameter_bytes
