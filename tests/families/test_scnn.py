"""The networks for shortest paths: counts, what they compute, and a small one through all that a model goes through."""

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.exporting import export
from recurzoo.families.counting import count_parameters
from recurzoo.models import SCNN
from recurzoo.sharing import SoftBank
from recurzoo.zoo.listing import info
from tests.support import numpy_layers as reference
from tests.support import routes
from tests.support.precision import mixed_bfloat16

SMALL = {"width": 6, "input_shape": (8, 8, 2)}
GRIDS = 255 * np.random.default_rng(0).integers(0, 2, (4, 8, 8, 2), dtype="uint8")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def outputs(model, images=GRIDS):
    return numpy(model(ops.convert_to_tensor(images), training=False))


@pytest.mark.parametrize(("name", "count"), [("cnn-20", 185_729), ("scnn-20", 186_129), ("scnn-20-r", 186_129)])
def test_counts(name, count):
    model = recurzoo.create(name)
    assert count_parameters(model) == count == info(name).parameters
    assert model.output_shape == (None, 32, 32, 1)
    assert [bank.slots for bank in model.get_layer("stage").banks] == [20]


def test_one_bank_serves_all_convolutions_and_r_is_regularized():
    (bank,) = recurzoo.create("scnn-20").get_layer("stage").banks
    assert isinstance(bank, SoftBank)
    assert tuple(bank.coefficients.shape) == (20, 20)
    assert bank.penalty() is None
    # Orthogonal rows: the similarities are 1 on the diagonal and 0 elsewhere.
    assert float(sum(recurzoo.create("scnn-20-r").losses)) == pytest.approx(-0.01 * 20, abs=1e-4)


@pytest.mark.parametrize("templates", [None, 2])
def test_outputs_are_those_of_the_formula(templates, randomize):
    model = randomize(SCNN(3, templates, **SMALL))
    stem, head, stage = model.get_layer("stem"), model.get_layer("head"), model.get_layer("stage")
    x = reference.convolve(GRIDS / 255, numpy(stem.kernel)) + numpy(stem.bias)
    normalization = stage.normalizations["bn1"]
    for step, kernel in enumerate(numpy(stage.banks[0].kernels())):
        tables = (normalization.moving_mean, normalization.moving_variance, normalization.gamma, normalization.beta)
        h = reference.normalize(reference.convolve(x, kernel), *(numpy(table)[step] for table in tables))
        x = x + reference.relu(h)
    expected = reference.convolve(x, numpy(head.kernel)) + numpy(head.bias)
    np.testing.assert_allclose(outputs(model), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"num_templates": 4}, {"num_templates": 0}, {"num_templates": "x"}])
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: depth="):
        SCNN(**{"depth": 3, **wrong})


def test_what_is_before_the_head():
    assert SCNN(3, include_top=False, **SMALL).output_shape == (None, 8, 8, 6)
    assert SCNN(3, include_top=False, pooling="avg", **SMALL).output_shape == (None, 6)
    assert SCNN(3, num_classes=4, **SMALL).output_shape == (None, 8, 8, 4)


@pytest.fixture
def member(randomize):
    return randomize(SCNN(3, 2, **SMALL))


@pytest.mark.tensorflow
def test_all_save_routes(member, tmp_path):
    routes.pass_every_route(routes.with_trained_logits(member), GRIDS.astype("float32"), tmp_path)


def test_a_checkpoint_opens_with_its_own_head_or_a_new_one(randomize, tmp_path):
    model = randomize(recurzoo.create("scnn-3", input_shape=(8, 8, 2)))
    assert recurzoo.save(model, tmp_path / "x").architecture == "scnn-3"
    np.testing.assert_allclose(outputs(recurzoo.load(tmp_path / "x")), outputs(model), rtol=1e-4, atol=1e-4)
    assert recurzoo.load(tmp_path / "x", num_classes=2).output_shape == (None, 8, 8, 2)
    larger = recurzoo.load(tmp_path / "x", input_shape=(12, 16, 2))
    assert larger.output_shape == (None, 12, 16, 1)


@pytest.mark.others
@pytest.mark.tensorflow
def test_its_file_opens_on_jax(member, tmp_path):
    routes.files_open_on_jax({"x": routes.with_trained_logits(member)}, GRIDS, tmp_path)


def test_mixed_precision_trains_and_gives_float32():
    with mixed_bfloat16():
        model = SCNN(3, 2, recurrence=0.01, **SMALL)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    kernel = numpy(model.get_layer("head").kernel).copy()
    assert np.isfinite(model.train_on_batch(GRIDS, GRIDS[..., :1] / 255))
    assert model.output.dtype == "float32"
    assert not np.array_equal(kernel, numpy(model.get_layer("head").kernel))


@pytest.mark.tensorflow
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_it_folds_to_a_loop_and_is_exported_with_its_kernel_once(format, randomize, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    model = randomize(SCNN(6, 1, width=32, input_shape=(8, 8, 2)))
    folded = recurzoo.fold(model)
    np.testing.assert_allclose(outputs(folded), outputs(model), rtol=1e-4, atol=1e-3 * np.abs(outputs(model)).max())
    assert folded.fold_report.stages[0].banks[0].index == (0,) * 6
    # The export itself compares outputs, and bytes with those of the parameters.
    report = export(folded, tmp_path / "x", format)
    assert report.bytes <= report.bytes_limit
