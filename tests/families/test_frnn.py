"""Networks of states: the published counts and depths, other readout times, and all that is done with models."""

import itertools
import json

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.base.errors import UnknownNameError
from recurzoo.benchmarking import macs
from recurzoo.catalog import catalog
from recurzoo.catalog.names import name_of
from recurzoo.families.counting import count_parameters
from recurzoo.layers import adjacent_edges
from recurzoo.layers.transitions import active_updates
from recurzoo.models import FRNN
from recurzoo.sharing import HardSharing, RelaxedSharing, tied
from tests.support import routes
from tests.support.counts import count_of, without_values
from tests.support.precision import mixed_bfloat16

STATES = ((8, 4), (4, 6), (2, 8))
TINY = {"states": STATES, "num_classes": 3, "input_shape": (8, 8, 3)}
COUNTS = {
    "frnn-3-t5": 4_212_938,
    "frnn-3-t5-no-affine": 4_207_562,
    "frnn-3-adjacent-t5": 3_290_058,
    "frnn-3-adjacent-t5-no-affine": 3_285_962,
    # At a later time the same weights, once more.
    "frnn-3-adjacent-t10": 3_290_058,
}


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(4, 8, 8, 3)).astype("uint8")


def logits(model, images):
    return ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(name):
    assert count_of(name) == COUNTS[name] == catalog.architecture_facts(name).parameters


@pytest.mark.parametrize("edges", ["full", "adjacent"])
def test_weights_that_are_independent_in_time_are_counted_where_they_serve(edges):
    """A transition at a time from which nothing reaches the readout has no weights (figure 4)."""
    shared, independent = (FRNN(edges=edges, weights=weights, **TINY) for weights in ("shared", "independent"))
    pairs = adjacent_edges(3) if edges == "adjacent" else tuple(itertools.product(range(3), repeat=2))
    updates = active_updates([pairs] * 4, 3)
    assert sum(map(len, updates.values())) == (3 + 9 + 9 + 3 if edges == "full" else 2 + 5 + 5 + 2)
    widths = [width for _, width in STATES]
    more = 0
    for (i, j), found in updates.items():
        middle = (widths[i] + widths[j]) // 2
        more += (len(found) - 1) * 9 * middle * (widths[i] + widths[j])
    assert count_parameters(independent) - count_parameters(shared) == more


@pytest.mark.parametrize(("readout", "depth"), [(5, 13), (10, 23)])
def test_depths_of_table_1(readout, depth):
    assert FRNN(readout=readout, edges="adjacent", **TINY).depth == depth


def test_readings_of_the_readout_time_and_pre_nets():
    model = FRNN(readout=4, input_time=0, prenet=1, **TINY)
    assert len(model.get_layer("graph").schedule) == 4
    assert model.depth == 1 + 2 * 4 + 2
    names = [layer.name for layer in FRNN(readout=2, **TINY).layers]
    first, last = names.index("prenet_conv1"), names.index("prenet_conv3")
    kinds = ["conv1", "bn2", "relu2", "conv2", "bn3", "relu3", "conv3"]
    assert names[first : last + 1] == [f"prenet_{kind}" for kind in kinds]


def test_a_residual_network_of_several_states():
    model = FRNN(schedule=(10, 1), states=STATES[:2], readout=13, combine="sum", num_classes=3, input_shape=(8, 8, 3))
    assert {edge: len(updates) for edge, updates in model.get_layer("graph").updates.items()} == {
        (0, 0): 10,
        (0, 1): 1,
        (1, 1): 1,
    }
    # Figure 5 A: trained at t = 13, tested from 7 to 23.
    assert model.with_readout(23).get_layer("graph").updates[0, 0] == tuple(range(20))
    assert model.with_readout(7).architecture["schedule"] == (4, 1)
    with pytest.raises(ValueError, match="at least 3 updates"):
        model.with_readout(3)


def test_the_imagenet_network():
    with without_values():
        model = recurzoo.create("multi-state-resnet-4-t16", num_classes=7)
    assert (model.input_shape, model.output_shape) == ((None, 224, 224, 3), (None, 7))
    assert model.get_layer("graph").input.shape == (None, 56, 56, 64)
    assert model.get_layer("graph").output.shape == (None, 7, 7, 512)
    assert model.architecture["mean"] == (0.485, 0.456, 0.406)
    # The 7x7 convolution and the two poolings, fifteen updates of two convolutions, and the head.
    assert model.depth == 1 + 2 + 30 + 1


def test_an_earlier_readout_is_what_the_state_was_on_the_way(images, randomize):
    model = randomize(FRNN(readout=5, **TINY))
    graph = model.get_layer("graph")
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")
    history = graph(x, trajectory=True, training=False)
    for readout in (2, 3, 4):
        earlier = model.with_readout(readout)
        found = earlier.get_layer("graph")(x, training=False)
        np.testing.assert_allclose(found, history[readout - 2][2], rtol=1e-5, atol=1e-5)
        assert earlier.statistics == "reused"
        for path in ("head/kernel", "bn/gamma", "prenet_conv2/kernel"):
            weights = [{w.path: w for w in m.weights}[path] for m in (earlier, model)]
            np.testing.assert_array_equal(*map(ops.convert_to_numpy, weights))


@pytest.mark.parametrize("folded", [False, True])
def test_a_later_readout_shares_the_weights_and_reuses_the_last_statistics(folded, images, randomize):
    model = FRNN(readout=5, **TINY)
    if folded:
        # The edge runs at three updates.
        model = model.with_architecture(sharing={"edge_0_0": (HardSharing((0, 1, 1), scaled=True), tied(3))})
    model = randomize(model)
    before = [ops.convert_to_numpy(weight).copy() for weight in model.weights]
    later = model.with_readout(7)
    assert (model.statistics, later.statistics) == ("trained", "reused")
    assert count_parameters(later) == count_parameters(model) + (2 if folded else 0)
    ours, theirs = ({w.path: ops.convert_to_numpy(w) for w in m.weights} for m in (model, later))
    path = "graph/edge_0_0/bn1/moving_mean"
    assert theirs[path].shape == (5, 4)
    np.testing.assert_array_equal(theirs[path], ours[path][[0, 1, 2, 2, 2]])
    if folded:
        assert later.architecture["sharing"]["edge_0_0"][0] == HardSharing((0, 1, 1, 1, 1), scaled=True)

    recurzoo.reestimate_batch_norm(later, images)
    assert later.statistics == "reestimated"
    measured = {w.path: ops.convert_to_numpy(w) for w in later.weights}
    assert np.abs(measured[path] - theirs[path]).min() > 0
    assert not [p for p in theirs if "moving" not in p and not np.array_equal(theirs[p], measured[p])]
    assert all(np.array_equal(a, ops.convert_to_numpy(b)) for a, b in zip(before, model.weights, strict=True))


def test_readout_times_without_weights_are_refused():
    with pytest.raises(ValueError, match=r"independent in time end with the last update. Received: edge_0_0"):
        FRNN(weights="independent", readout=4, **TINY).with_readout(5)
    with pytest.raises(ValueError, match=r"no weights for. Received: edge_0_0, edge_1_0"):
        FRNN(edges="adjacent", readout=3, **TINY).with_readout(5)
    relaxed = FRNN(readout=4, sharing={"edge_0_0": RelaxedSharing()}, **TINY)
    with pytest.raises(ValueError, match=r"materialize or consolidate.*Received: edge_0_0 with RelaxedSharing"):
        relaxed.with_readout(5)
    assert recurzoo.consolidate(relaxed).with_readout(5).architecture["sharing"]["edge_0_0"] == (tied(3), tied(3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"readout": 1},
        {"edges": "all"},
        {"edges": "adjacent", "readout": 2},
        {"prenet": 2},
        {"schedule": (1, 2)},
        {"sharing": {"edge_9_9": tied(2)}},
        {"input_shape": (6, 6, 3)},
    ],
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        FRNN(**{**TINY, **wrong})


@pytest.mark.parametrize(
    "name",
    [
        "frnn-2-t5",
        "frnn-3-t10",
        "frnn-3-adjacent-t5-w8-no-affine-independent",
        "frnn-4-t5",
        "frnn-4-adjacent-t10-w16",
        "multi-state-resnet-2-t13",
        "multi-state-resnet-3-t9-w8-no-affine-independent",
        "multi-state-resnet-4-t16",
    ],
)
def test_names(name):
    read = catalog.architecture(name)
    assert read.model == "recurzoo.families.frnn.network:FRNN"
    assert name_of("FRNN", read.arguments) == name
    # As it comes back from a file; and not for a network that differs.
    assert name_of("FRNN", json.loads(json.dumps(read.arguments))) == name
    assert name_of("FRNN", {**read.arguments, "states": [[32, 5], [16, 7]]}) is None
    assert name_of("FRNN", {**read.arguments, "input_time": 0}) is None


def test_states_of_the_presets():
    states = {name: catalog.architecture(f"{name}-t5").arguments["states"] for name in ("frnn-2", "frnn-3", "frnn-4")}
    assert states == {
        "frnn-2": ((32, 64), (16, 128)),
        "frnn-3": ((32, 64), (16, 128), (8, 256)),
        "frnn-4": ((32, 8), (16, 16), (8, 32), (4, 64)),
    }
    assert catalog.architecture("frnn-3-t5-w8").arguments["states"] == ((32, 8), (16, 16), (8, 32))


@pytest.mark.parametrize(
    "name",
    [
        "frnn-3-t1",
        "frnn-3-adjacent-t2",
        "frnn-2-adjacent-t5",
        "frnn-5-t5",
        "frnn-3-t5-w64",
        "frnn-3-t5-w0",
        "frnn-3",
        "multi-state-resnet-2-t3",
        "multi-state-resnet-3-t10",
        "multi-state-resnet-3-adjacent-t9",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(UnknownNameError, match="Received: "):
        catalog.architecture(name)


def test_operations():
    """By hand: at each update the convolutions of what runs, at the resolution they run at."""
    model = FRNN(states=STATES[:2], readout=3, prenet=1, num_classes=3, input_shape=(8, 8, 3))
    # 0 -> 0 and 0 -> 1, then 0 -> 1 and 1 -> 1; the second convolution of 0 -> 1 is at 4x4 like the first.
    same, down, deep = 2 * 64 * 9 * 4 * 4, 16 * 9 * (4 * 5 + 5 * 6), 2 * 16 * 9 * 6 * 6
    assert macs(model) == 64 * 9 * 3 * 4 + same + 2 * down + deep + 6 * 3
    # One update more adds 1 -> 0, whose transposed convolution works on 4x4 and the other one on 8x8.
    up = 16 * 9 * 6 * 5 + 64 * 9 * 5 * 4
    assert macs(model.with_architecture(readout=4)) - macs(model) == same + down + deep + up


def test_equal_kernels_fold_to_the_network_with_shared_weights(images, randomize):
    model = randomize(FRNN(weights="independent", readout=4, **TINY))
    for stage in model.stages:
        for bank in stage.banks:
            first = ops.convert_to_numpy(bank.templates)[:1]
            bank.templates.assign(np.repeat(first, bank.slots, axis=0))
    folded = recurzoo.fold(model, threshold=0.99)
    assert folded.fold_report.parameters_after == count_parameters(FRNN(readout=4, **TINY))
    assert {report.name for report in folded.fold_report.stages} <= {stage.name for stage in model.stages}
    expected = logits(model, images)
    np.testing.assert_allclose(logits(folded, images), expected, atol=1e-4 * np.abs(expected).max())
    assert folded.architecture["sharing"]["edge_0_0"] == (tied(2), tied(2))


@pytest.mark.tensorflow
def test_a_network_trains_and_is_saved(images, tmp_path):
    model = FRNN(readout=4, **TINY)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(True))
    before = {w.path: ops.convert_to_numpy(w).copy() for w in model.weights}
    labels = images.mean(axis=(1, 2)).argmax(axis=-1)
    losses = model.fit(images, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not [w.path for w in model.weights if np.array_equal(before[w.path], ops.convert_to_numpy(w))]


TINIES = {
    "full": lambda **kwargs: FRNN(readout=4, **TINY, **kwargs),
    "looped": lambda **kwargs: FRNN(readout=6, edges="adjacent", normalization="no_affine", unroll=False, **TINY),
    "independent": lambda **kwargs: FRNN(readout=3, weights="independent", **TINY),
    "resnet": lambda **kwargs: FRNN(readout=7, schedule=(2, 1, 1), combine="sum", prenet=1, **TINY),
    "folded": lambda **kwargs: FRNN(
        readout=4, sharing={"edge_0_0": (HardSharing((0, 0), scaled=True), RelaxedSharing())}, **TINY
    ),
}


@pytest.fixture(params=TINIES)
def model(request, randomize):
    return with_random_weights(request.param, randomize)


def with_random_weights(case, randomize):
    return routes.with_trained_logits(randomize(TINIES[case]()))


@pytest.mark.tensorflow
def test_save_routes(model, images, tmp_path):
    routes.pass_every_route(model, images.astype("float32"), tmp_path)


@pytest.mark.tensorflow
def test_a_checkpoint_of_the_zoo(images, tmp_path, randomize):
    model = randomize(recurzoo.create("frnn-2-t4-w2", num_classes=3, input_shape=(8, 8, 3)))
    recurzoo.save(model, tmp_path / "checkpoint")
    np.testing.assert_allclose(logits(recurzoo.load(tmp_path / "checkpoint"), images), logits(model, images), rtol=1e-5)


@pytest.mark.others
@pytest.mark.tensorflow
def test_files_open_on_jax(images, randomize, tmp_path):
    models = {case: with_random_weights(case, randomize) for case in ("full", "looped")}
    routes.files_open_on_jax(models, images, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_an_exported_file_holds_each_kernel_once(format, tmp_path, randomize):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    # Outputs and bytes are checked by `export` itself; so wide that a second copy of the kernels would break the limit.
    model = randomize(FRNN(states=((8, 16), (4, 32)), readout=4, prenet=1, input_shape=(8, 8, 3), unroll=False))
    assert recurzoo.export(model, tmp_path / "model", format=format).largest_difference < 1e-2


def test_half_precision(images, randomize):
    wide = randomize(FRNN(readout=3, **TINY))
    with mixed_bfloat16():
        half = FRNN(readout=3, **TINY)
    half.set_weights(wide.get_weights())
    found = half(images, training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = logits(wide, images)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_the_papers_recipes():
    """Section 5: 60 epochs, batches of 64, momentum 0.9, a tenth of the rate from epochs 41 and 51."""
    from recurzoo.catalog.recipe import load_recipe

    for name in ("frnn-3-t5", "frnn-3-t10"):
        recipe = load_recipe(f"{name}.cifar10.paper")
        assert (recipe.epochs, recipe.batch_size, recipe.schedule.epochs) == (60, 64, (40, 50))
        assert (recipe.schedule.factor, recipe.optimizer.learning_rate, recipe.optimizer.momentum) == (0.1, 0.01, 0.9)
        assert not recipe.optimizer.nesterov
        assert (recipe.augmentation.flip, recipe.augmentation.crop, recipe.augmentation.cutout) == (True, 4, 0)
