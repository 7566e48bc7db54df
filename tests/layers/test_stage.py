"""Stages: loops equal unrolled steps; fewer, more and skipped steps; trajectories; refusals."""

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import BottleneckBlock, PostActivationBlock, PreActivationBlock, Stage
from recurzoo.sharing import HardSharing, Loop, RelaxedSharing, SoftSharing, partly, tied, untied

PRE, POST = PreActivationBlock(4), PostActivationBlock(4)


def pooling():
    return {2: keras.layers.AveragePooling2D(2, data_format="channels_last")}


# Each stage, and the loops it should run in.
STAGES = {
    "tied": (lambda **k: Stage(PRE, 4, tied(4), **k), [(0, 1, 4)]),
    "pattern": (lambda **k: Stage(PRE, 4, HardSharing((0, 1, 0, 1)), **k), [(0, 2, 2)]),
    "partly": (lambda **k: Stage(PRE, 4, partly([0, 1, 1, 1]), **k), [(0, 1, 1), (1, 1, 3)]),
    "sites apart": (lambda **k: Stage(POST, 4, (tied(4), partly([0, 0, 1, 1])), **k), [(0, 1, 2), (2, 1, 2)]),
    "scaled": (lambda **k: Stage(PRE, 3, HardSharing((0, 0, 0), scaled=True), **k), [(0, 1, 3)]),
    "tied across sites": (lambda **k: Stage(PRE, 3, tied(6), across_sites=True, **k), [(0, 1, 3)]),
    "untied": (lambda **k: Stage(PRE, 2, untied(2), **k), [(0, 1, 1), (1, 1, 1)]),
    "soft": (lambda **k: Stage(PRE, 3, SoftSharing(2), **k), [(0, 1, 3)]),
    "soft across sites": (lambda **k: Stage(PRE, 3, SoftSharing(2), across_sites=True, **k), [(0, 1, 3)]),
    "relaxed": (lambda **k: Stage(POST, 3, RelaxedSharing(), **k), [(0, 1, 3)]),
    "pooling": (lambda **k: Stage(POST, 4, tied(4), before=pooling(), **k), [(0, 1, 2), (2, 1, 2)]),
    "biases per step": (lambda **k: Stage(PostActivationBlock(4, bias="per_step"), 3, tied(3), **k), [(0, 1, 3)]),
    "one bias": (lambda **k: Stage(PostActivationBlock(4, bias="shared"), 3, tied(3), **k), [(0, 1, 3)]),
    "by index": (
        lambda **k: Stage(PreActivationBlock(4, bias=(0, 1, 1, 2)), 4, partly((0, 1, 1, 1)), (0, 1, 2, 1), **k),
        [(0, 1, 1), (1, 1, 3)],
    ),
    "stochastic depth": (lambda **k: Stage(POST, 3, tied(3), death_rates=[0.1, 0.3, 0.5], **k), [(0, 1, 3)]),
    "halved": (lambda **k: Stage(POST, 4, tied(4), strides=2, **k), [(0, 1, 1), (1, 1, 3)]),
    "widened": (
        lambda **k: Stage(PostActivationBlock(6), 4, (tied(3), tied(4)), strides=2, **k),
        [(0, 1, 1), (1, 1, 3)],
    ),
    "padded": (
        lambda **k: Stage(PostActivationBlock(6, bias="per_step"), 3, (untied(2), tied(3)), shortcut="padding", **k),
        [(0, 1, 1), (1, 1, 1), (2, 1, 1)],
    ),
    "bottleneck": (
        lambda **k: Stage(BottleneckBlock(8, 3), 3, (SoftSharing(2), SoftSharing(2), tied(3)), strides=2, **k),
        [(0, 1, 1), (1, 1, 2)],
    ),
    **{
        f"normalized {option}": (lambda option=option, **k: Stage(PRE, 3, tied(3), option, **k), [(0, 1, 3)])
        for option in ("shared_affine", "no_affine", "shared", "none")
    },
}


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 8, 8, 4)).astype("float32")


@pytest.fixture
def build(images, randomize):
    def build(make, **kwargs):
        stage = make(**kwargs)
        stage.build(images.shape)
        return randomize(stage)

    return build


def run(stage, x, **kwargs):
    return ops.convert_to_numpy(stage(x, training=False, **kwargs))


@pytest.mark.parametrize("name", STAGES)
def test_a_loop_gives_what_unrolled_steps_give(name, images, build):
    make, loops = STAGES[name]
    unrolled, looped = build(make, unroll=True), build(make, unroll=False)
    looped.set_weights(unrolled.get_weights())
    assert looped.loops() == [Loop(*loop) for loop in loops]
    expected = run(unrolled, images)
    first = run(unrolled, images, steps=1)
    # Pooling comes before a later step, so that one step gives a larger map.
    assert first.shape != expected.shape if "pooling" in name else np.abs(expected - first).max() > 1e-2
    np.testing.assert_allclose(run(looped, images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.tensorflow
def test_repeated_steps_are_a_loop_in_the_graph(images, build):
    import tensorflow as tf

    stage = build(STAGES["tied"][0], unroll=False)
    graph = tf.function(lambda x: stage(x, training=False)).get_concrete_function(images).graph.as_graph_def()
    assert any("While" in node.op for node in graph.node)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    assert sum(node.op == "Conv2D" for node in nodes) == 2


@pytest.mark.parametrize("name", ["tied", "soft across sites", "pooling", "widened", "biases per step"])
@pytest.mark.parametrize("unroll", [True, False])
def test_fewer_steps_give_the_earlier_state(name, unroll, images, build):
    stage = build(STAGES[name][0], unroll=unroll)
    states = stage(images, trajectory=True, training=False)
    assert len(states) == stage.steps
    for steps, state in enumerate(states, start=1):
        np.testing.assert_allclose(run(stage, images, steps=steps), ops.convert_to_numpy(state), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("name", ["tied", "partly", "scaled", "biases per step", "stochastic depth"])
def test_more_steps_repeat_the_last_one(name, unroll, images, build):
    """Two steps more equal a stage that has them, with copies of the last step's rows."""
    make, _ = STAGES[name]
    stage = build(make, unroll=unroll)
    longer = Stage(
        stage.block,
        stage.steps + 2,
        HardSharing(stage.sharing.index + stage.sharing.index[-1:] * 2, stage.sharing.scaled),
        death_rates=stage.death_rates and stage.death_rates + stage.death_rates[-1:] * 2,
    )
    longer.build(images.shape)
    for ours, theirs in zip(stage.weights, longer.weights, strict=True):
        value = ops.convert_to_numpy(ours)
        missing = theirs.shape[0] - value.shape[0]
        theirs.assign(np.concatenate([value, *[value[-1:]] * missing]))
    np.testing.assert_allclose(run(stage, images, steps=stage.steps + 2), run(longer, images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["soft", "relaxed", "untied", "pattern", "sites soft"])
def test_more_steps_are_refused_where_the_last_kernel_is_not_shared(name, images, build):
    make = STAGES.get(name, (lambda: Stage(PRE, 3, (tied(3), SoftSharing(2))), None))[0]
    stage = build(make)
    with pytest.raises(ValueError, match=f"Received: steps={stage.steps + 1}"):
        stage(images, steps=stage.steps + 1)


@pytest.mark.parametrize("name", ["untied", "soft across sites", "tied", "by index"])
def test_any_last_step_repeats_where_its_residual_is_told_a_scale(name, images, build):
    stage, looped = build(STAGES[name][0]), build(STAGES[name][0], unroll=False)
    looped.set_weights(stage.get_weights())
    state = run(stage, images)
    np.testing.assert_array_equal(run(stage, images, extra_scale=0.3), state)
    for steps in (stage.steps + 1, stage.steps + 2):
        scaled = run(stage, images, steps=steps, extra_scale=0.3)
        np.testing.assert_allclose(run(looped, images, steps=steps, extra_scale=0.3), scaled, rtol=1e-4, atol=1e-4)
        whole = stage(images, steps=steps, trajectory=True, extra_scale=0.3)
        assert len(whole) == steps
        before = ops.convert_to_numpy(whole[-2])
        residual = run(stage, before, steps=stage.steps, skip=range(stage.steps - 1)) - before
        np.testing.assert_allclose(scaled, before + 0.3 * residual, rtol=1e-3, atol=1e-3)


def test_a_skipped_step_leaves_the_state_as_it_was(images, build):
    stage = build(STAGES["soft"][0])
    first, _, third = (ops.convert_to_numpy(state) for state in stage(images, trajectory=True, skip=(1,)))
    whole = [ops.convert_to_numpy(state) for state in stage(images, trajectory=True)]
    np.testing.assert_array_equal(first, whole[0])
    # What step 2 makes of the first state, by a stage of that step alone.
    alone = Stage(PRE, 1, untied(1))
    alone.build(images.shape)
    for site, bank in zip(("conv1", "conv2"), alone.banks, strict=True):
        source, slot = stage.slot_of(site, 2)
        bank.templates.assign(source.kernels()[slot : slot + 1])
    for site, normalization in alone.normalizations.items():
        for ours, theirs in zip(normalization.weights, stage.normalizations[site].weights, strict=True):
            ours.assign(theirs[2:3])
    np.testing.assert_allclose(third, run(alone, first), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(run(stage, images, skip=(0, 1, 2)), images)


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("name", ["soft across sites", "relaxed", "scaled", "widened", "stochastic depth"])
def test_half_precision_of_a_single_layer(name, unroll, images, build):
    """The stage's own policy reaches its banks and shortcuts, whatever the global one."""
    make = STAGES[name][0]
    half, wide = build(make, unroll=unroll, dtype="mixed_bfloat16"), build(make)
    half.set_weights(wide.get_weights())
    found = half(images, training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    error = ops.convert_to_numpy(ops.cast(found, "float32")) - run(wide, images)
    assert np.sqrt(np.mean(error**2)) < 0.03 * np.std(run(wide, images))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: Stage(PRE, 0, tied(1)),
        lambda x: Stage(PRE, 2, tied(2), death_rates=[0.1]),
        lambda x: Stage(PRE, 2, tied(3))(x),
        lambda x: Stage(PRE, 2, (tied(2),))(x),
        lambda x: Stage(PreActivationBlock(6), 2, tied(2))(x),
        lambda x: Stage(PostActivationBlock(6), 2, tied(4), across_sites=True)(x),
        lambda x: Stage(PRE, 2, tied(2), before=pooling()),
        lambda x: Stage(PRE, 2, tied(2))(x, steps=0),
        lambda x: Stage(PRE, 2, tied(2))(x, skip=(2,)),
        lambda x: Stage(POST, 2, tied(2), strides=2)(x, skip=(0,)),
        lambda x: Stage(POST, 2, tied(2), "batch")(x),
        lambda x: Stage(POST, 2, tied(2), (0, 2))(x),
        lambda x: Stage(PreActivationBlock(4, bias=(0, 1, 2)), 2, tied(2))(x),
        lambda x: Stage(POST, 1, tied(1), strides=2)(x, steps=2, extra_scale=0.5),
    ],
)
def test_what_a_stage_cannot_do_is_refused(wrong, images):
    with pytest.raises(ValueError, match="Received: "):
        wrong(images)
