"""Graphs of states: what runs when, what it gives, and the paper's three equivalences."""

from __future__ import annotations

import itertools
import os

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import PreActivationBlock, Stage, StateGraph, adjacent_edges, full_edges, resnet_schedule
from recurzoo.layers.transitions import active_updates, allowed_edges
from recurzoo.sharing import Loop, RelaxedSharing, tied, untied
from tests.conftest import BACKEND
from tests.support import numpy_layers

float64 = pytest.mark.skipif(
    BACKEND == "jax" and not os.environ.get("JAX_ENABLE_X64"), reason="JAX needs JAX_ENABLE_X64=1 for float64"
)
THREE = ((8, 4), (4, 6), (2, 8))


@pytest.fixture
def build(randomize):
    def build(*args, size=8, **kwargs):
        graph = StateGraph(*args, name="graph", **kwargs)
        time = [len(args[1])] if graph.sequential else []
        graph.build((None, *time, size, size, args[0][0][1]))
        return randomize(graph)

    return build


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 8, 4))


def run(layer, x, **kwargs):
    return ops.convert_to_numpy(layer(x, training=False, **kwargs))


def transposed(x, kernel):
    """Every pixel of the input spreads its kernel around twice its place; what falls outside is lost."""
    batch, height, width, _ = x.shape
    found = np.zeros((batch, 2 * height + 2, 2 * width + 2, kernel.shape[-1]))
    for row, column in itertools.product(range(height), range(width)):
        spread = np.einsum("bi,hwio->bhwo", x[:, row, column], kernel)
        found[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += spread
    return found[:, 1 : 2 * height + 1, 1 : 2 * width + 1]


def transition(stage, x, step):
    """BRCx2 or BRDx2 in NumPy."""
    h = x
    for (site, convolution), bank in zip(stage.convolutions.items(), stage.banks, strict=True):
        bn = stage.normalizations[site.replace("conv", "bn")]
        mean, variance = (ops.convert_to_numpy(table)[step] for table in (bn.moving_mean, bn.moving_variance))
        gamma, beta = (ops.convert_to_numpy(table)[0] for table in (bn.gamma, bn.beta))
        h = numpy_layers.relu(numpy_layers.normalize(h, mean, variance, gamma, beta))
        kernel = ops.convert_to_numpy(bank.kernels())[step]
        strides = 2 if convolution.strided else 1
        h = transposed(h, kernel) if convolution.transposed else numpy_layers.convolve(h, kernel, strides)
    return h


def simulate(graph, x):
    """The definition, state by state: what is populated runs, the mean or the sum of what arrives remains."""
    states = {0: x}
    for update, edges in enumerate(graph.schedule):
        arriving = {}
        for i, j in edges:
            if i in states and update in graph.updates.get((i, j), ()):
                stage = graph.edges[i, j]
                y = transition(stage, states[i], graph.updates[i, j].index(update))
                arriving.setdefault(j, []).append(states[i] + y if i == j else y)
        total = np.mean if graph.combine == "mean" else np.sum
        states = {j: total(found, axis=0) for j, found in arriving.items()}
    return states[len(graph.states) - 1]


@pytest.mark.parametrize(
    ("edges", "updates"), list(itertools.product([full_edges(3), adjacent_edges(3), ((0, 2), (0, 0))], [1, 2, 3, 5]))
)
def test_a_transition_runs_where_a_way_leads_through_it(edges, updates):
    """By enumeration of all ways from the input to the readout."""
    found = set()
    for way in itertools.product(range(3), repeat=updates + 1):
        steps = list(itertools.pairwise(way))
        if way[0] == 0 and way[-1] == 2 and all(step in edges for step in steps):
            found.update((edge, update) for update, edge in enumerate(steps))
    if not found:
        with pytest.raises(ValueError, match=f"Received: updates={updates}"):
            active_updates([edges] * updates, 3)
    else:
        active = active_updates([edges] * updates, 3)
        assert {(edge, update) for edge, steps in active.items() for update in steps} == found


@float64
@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize("weights", ["shared", "independent"])
def test_a_graph_is_what_the_paper_defines(combine, weights, images, build):
    graph = build(THREE, [full_edges(3)] * 4, combine, weights, dtype="float64")
    np.testing.assert_allclose(run(graph, images), simulate(graph, images), rtol=1e-9)


@float64
def test_states_far_apart(build, rng):
    """Two levels: both convolutions carry a stride; three: there are three of them."""
    graph = build(((8, 4), (2, 6), (1, 8)), [full_edges(3)] * 3, dtype="float64")
    sites = {edge: [c.strided for c in stage.convolutions.values()] for edge, stage in graph.edges.items()}
    assert sites[0, 1] == sites[1, 0] == [True, True]
    assert sites[0, 2] == [True, True, True]
    assert sites[1, 2] == [True, False]
    assert [c.kernel_shape[2:] for c in graph.edges[0, 2].convolutions.values()] == [(4, 6), (6, 6), (6, 8)]
    x = rng.normal(size=(1, 8, 8, 4))
    np.testing.assert_allclose(run(graph, x), simulate(graph, x), rtol=1e-9)


@float64
def test_what_goes_up_comes_from_where_going_down_takes_it(images):
    """The transposed convolution is the transpose of the convolution: <Ax, y> = <x, A'y>."""
    from recurzoo.layers.convolution import convolve, convolve_transposed

    rng = np.random.default_rng(1)
    kernel, y = rng.normal(size=(3, 3, 4, 5)), rng.normal(size=(2, 4, 4, 5))
    down = ops.convert_to_numpy(convolve(images, kernel, 2))
    up = ops.convert_to_numpy(convolve_transposed(y, kernel.transpose(0, 1, 3, 2), 2))
    assert np.sum(down * y) == pytest.approx(np.sum(images * up))


@float64
def test_a_self_transition_is_a_residual_network_with_tied_blocks(images, build):
    """Section 2: the first equivalence."""
    graph = build(((8, 4),), allowed_edges(1, "full", None, 5), dtype="float64")
    stage = Stage(PreActivationBlock(4), 5, tied(5), "shared_affine", dtype="float64")
    stage.build((None, 8, 8, 4))
    assert [w.shape for w in stage.weights] == [w.shape for w in graph.weights]
    stage.set_weights(graph.get_weights())
    np.testing.assert_allclose(run(graph, images), run(stage, images), rtol=1e-12)


@float64
@pytest.mark.parametrize("weights", ["shared", "independent"])
def test_one_edge_a_step_is_a_residual_network_of_several_stages(weights, images, build):
    """Section 3: the second equivalence. Stages of blocks, and transitions between them, one after another."""
    schedule = allowed_edges(3, "full", (2, 3, 1), 8)
    graph = build(THREE, schedule, "sum", weights, dtype="float64")
    x = images
    for level, blocks in enumerate((2, 3, 1)):
        if level:
            x = transition(graph.edges[level - 1, level], x, 0)
        sharing = tied(blocks) if weights == "shared" else untied(blocks)
        width = THREE[level][1]
        stage = Stage(PreActivationBlock(width), blocks, sharing, "shared_affine", dtype="float64")
        stage.build((None, None, None, width))
        stage.set_weights(graph.edges[level, level].get_weights())
        x = run(stage, x)
    np.testing.assert_allclose(run(graph, images), x, rtol=1e-9)


@float64
def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_copies(images, build, gradients):
    """Section 3, weight sharing: the third equivalence."""
    shared = build(THREE, [full_edges(3)] * 4, dtype="float64")
    copies = build(THREE, [full_edges(3)] * 4, weights="independent", dtype="float64")
    for ours, theirs in zip(shared.weights, copies.weights, strict=True):
        theirs.assign(np.broadcast_to(ops.convert_to_numpy(ours), theirs.shape))
    found = []
    for graph in (shared, copies):
        kernels = [bank.templates for stage in graph.stages for bank in stage.banks]
        found.append(gradients(lambda graph=graph: ops.sum(ops.square(graph(images, training=False))), kernels))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours[0], theirs.sum(axis=0), rtol=1e-8, atol=1e-10 * np.abs(ours).max())


@float64
def test_a_sequence_is_added_to_the_first_state_and_read_from_the_last_one(build, rng):
    """Eq. 2, by running the static graph's definition between inputs."""
    graph = build(THREE, [full_edges(3)] * 3, sequential=True, dtype="float64")
    sequence = rng.normal(size=(2, 3, 8, 8, 4))
    states, readouts = {}, []
    for update in range(3):
        states[0] = states.get(0, 0) + sequence[:, update]
        arriving = {}
        for (i, j), stage in graph.edges.items():
            if i in states and update in graph.updates[i, j]:
                y = transition(stage, states[i], graph.updates[i, j].index(update))
                arriving.setdefault(j, []).append(states[i] + y if i == j else y)
        states = {j: np.mean(found, axis=0) for j, found in arriving.items()}
        readouts.append(states[2])
    found = run(graph, sequence)
    np.testing.assert_allclose(found, np.stack(readouts, axis=1), rtol=1e-9)
    # What comes later is not heard before.
    sequence[:, 2] += 1
    np.testing.assert_array_equal(run(graph, sequence)[:, :2], found[:, :2])
    assert np.abs(run(graph, sequence)[:, 2] - found[:, 2]).max() > 1e-3
    # Nothing that happens after the last update but for the way to the readout.
    assert {edge for edge, updates in graph.updates.items() if 2 in updates} == {(0, 2), (1, 2), (2, 2)}


@pytest.mark.tensorflow
def test_a_sequence_model_is_saved(tmp_path, randomize, rng):
    inputs = keras.Input((4, 1, 1, 3))
    graph = StateGraph(((1, 3), (1, 5)), [full_edges(2)] * 4, sequential=True, kernel_size=1, name="graph")
    model = randomize(keras.Model(inputs, graph(inputs)))
    assert model.output_shape == (None, 4, 1, 1, 5)
    model.save(tmp_path / "model.keras")
    x = rng.normal(size=(2, 4, 1, 1, 3)).astype("float32")
    found = keras.saving.load_model(tmp_path / "model.keras")(x, training=False)
    np.testing.assert_allclose(found, model(x, training=False), atol=1e-5)


@pytest.mark.parametrize(
    ("edges", "updates", "loops"),
    [
        (full_edges(3), 6, [(0, 1, 1), (1, 1, 4), (5, 1, 1)]),
        (adjacent_edges(3), 7, [(0, 1, 1), (1, 1, 1), (2, 1, 3), (5, 1, 1), (6, 1, 1)]),
    ],
)
def test_the_first_updates_stand_apart_and_the_others_loop(edges, updates, loops, images, build):
    unrolled, looped = (build(THREE, [edges] * updates, unroll=unroll) for unroll in (True, False))
    looped.set_weights(unrolled.get_weights())
    assert looped.loops() == [Loop(*loop) for loop in loops]
    x = images.astype("float32")
    np.testing.assert_allclose(run(looped, x), run(unrolled, x), rtol=1e-4, atol=1e-4)


def test_a_pattern_of_updates_loops(images, build):
    schedule = [((0, 0), (0, 1)), ((0, 1), (1, 0))] * 3
    unrolled, looped = (build(((8, 4), (4, 6)), schedule, unroll=unroll) for unroll in (True, False))
    looped.set_weights(unrolled.get_weights())
    assert any(loop.period == 2 and loop.repeats > 1 for loop in looped.loops())
    x = images.astype("float32")
    np.testing.assert_allclose(run(looped, x), run(unrolled, x), rtol=1e-4, atol=1e-4)


@pytest.mark.tensorflow
def test_looping_updates_are_a_loop_in_the_graph(images, build):
    import tensorflow as tf

    graph = build(THREE, [full_edges(3)] * 9, unroll=False)
    function = tf.function(lambda x: graph(x, training=False)).get_concrete_function(images.astype("float32"))
    definition = function.graph.as_graph_def()
    assert sum("While" in node.op for node in definition.node) == 1
    nodes = [*definition.node, *(node for f in definition.library.function for node in f.node_def)]
    # Three transitions at first, nine in the loop, three at last, of two convolutions each.
    assert sum(node.op in ("Conv2D", "Conv2DBackpropInput") for node in nodes) == 2 * (3 + 9 + 3)


def test_states_and_readouts_on_the_way(images, build):
    graph = build(THREE, [adjacent_edges(3)] * 5, dtype="float64")
    history = graph(images, trajectory=True, training=False)
    assert [sorted(states) for states in history] == [[0, 1], [0, 1, 2], [0, 1, 2], [1, 2], [2]]
    assert [state.shape[1:] for state in history[1].values()] == [(8, 8, 4), (4, 4, 6), (2, 2, 8)]
    np.testing.assert_array_equal(ops.convert_to_numpy(history[-1][2]), run(graph, images))


def test_training_learns_statistics_of_each_time(images, build):
    graph = build(((8, 4), (4, 6)), [full_edges(2)] * 3, normalization="no_affine")
    moving = graph.edges[0, 0].normalizations["bn1"].moving_mean
    assert tuple(moving.shape) == (2, 4)
    moving.assign(np.zeros((2, 4)))
    graph(images.astype("float32"), training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(moving)[0], 0.1 * images.mean(axis=(0, 1, 2)), atol=1e-5)
    assert np.abs(ops.convert_to_numpy(moving)[1]).min() > 0
    assert not [weight.name for weight in graph.trainable_weights if weight.name != "templates"]


def test_edges_have_any_sharing(images, build):
    graph = build(((8, 4), (4, 6)), [full_edges(2)] * 4, sharing={"edge_0_0": RelaxedSharing(0.5)})
    assert float(ops.sum(ops.stack(graph.losses))) > 0
    rebuilt = StateGraph.from_config(graph.get_config())
    rebuilt.build((None, 8, 8, 4))
    rebuilt.set_weights(graph.get_weights())
    np.testing.assert_allclose(run(rebuilt, images), run(graph, images), rtol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: StateGraph(THREE, [full_edges(3)] * 4, "max"),
        lambda x: StateGraph(THREE, [full_edges(3)] * 4, weights="tied"),
        lambda x: StateGraph(THREE, []),
        lambda x: StateGraph(THREE, [full_edges(4)]),
        lambda x: StateGraph(THREE, [adjacent_edges(3)]),
        lambda x: StateGraph(((8, 4), (3, 6)), [full_edges(2)]),
        lambda x: StateGraph(THREE, [full_edges(3)], sharing={"edge_2_0": tied(1)}),
        lambda x: StateGraph(((8, 5), (4, 6)), [full_edges(2)])(x),
        lambda x: StateGraph(THREE, [full_edges(3)])(x[:, :6, :6]),
        lambda x: StateGraph(THREE, [adjacent_edges(3)] * 4, sequential=True),
        lambda x: StateGraph(THREE, [full_edges(3)] * 4, sequential=True)(np.zeros((1, 3, 8, 8, 4))),
        lambda x: allowed_edges(3, "all", None, 4),
        lambda x: allowed_edges(3, "full", None, 0),
        lambda x: allowed_edges(3, "full", (2, 1), 4),
        lambda x: allowed_edges(3, "full", (1, 3, 3), 8),
        lambda x: resnet_schedule([1, -1]),
    ],
)
def test_what_a_graph_cannot_be_is_refused(wrong, images):
    with pytest.raises(ValueError, match="Received: "):
        wrong(images)


def test_half_precision(images, build):
    wide, half = build(THREE, [full_edges(3)] * 3), build(THREE, [full_edges(3)] * 3, dtype="mixed_bfloat16")
    half.set_weights(wide.get_weights())
    x = images.astype("float32")
    found = half(x, training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    error = ops.convert_to_numpy(ops.cast(found, "float32")) - run(wide, x)
    assert np.sqrt(np.mean(error**2)) < 0.03 * np.std(run(wide, x))
