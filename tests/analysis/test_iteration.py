"""What each step does, against NumPy: a stage of one pixel, whose derivatives can be written down."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.analysis.iteration import measure_iteration
from recurzoo.analysis.reading import trajectory
from recurzoo.analysis.refinement import gradient_norms, measure_refinement
from recurzoo.analysis.subject import Subject
from recurzoo.layers import PreActivationBlock, Stage
from recurzoo.models import PreActivationResNet
from recurzoo.rewriting.steps import Steps
from recurzoo.sharing import tied
from tests.support.networks import SMALL

STEPS = 3
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


def one_pixel(randomize):
    """Images of one pixel, three steps of one block, and a linear head."""
    images = keras.Input((1, 1, 4))
    x = Stage(PreActivationBlock(4), STEPS, tied(STEPS), name="stage")(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return randomize(keras.Model(images, keras.layers.Dense(5, name="head")(x)))


def by_hand(model, images, labels):
    """Each step's change, and the gradient of the loss by its input, in float64."""
    value = {weight.path: ops.convert_to_numpy(weight.value).astype("float64") for weight in model.weights}
    # On one pixel only the middle of a kernel counts.
    first, second = (value[f"stage/{site}_bank/templates"][0, 1, 1] for site in ("conv1", "conv2"))
    states, slopes = [images.reshape(len(images), 4).astype("float64")], []
    for step in range(STEPS):

        def line(site, step=step):
            gamma, beta, mean, variance = (
                value[f"stage/{site}/{name}"][step] for name in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            scale = gamma / np.sqrt(variance + 1e-5)
            return scale, beta - mean * scale

        (s1, t1), (s2, t2) = line("bn1"), line("bn2")
        a = s1 * states[-1] + t1
        b = s2 * (np.maximum(a, 0) @ first) + t2
        states.append(states[-1] + np.maximum(b, 0) @ second)
        slopes.append(
            [
                np.eye(4) + np.diag(s1 * (a[i] > 0)) @ first @ np.diag(s2 * (b[i] > 0)) @ second
                for i in range(len(images))
            ]
        )
    exponentials = np.exp(states[-1] @ value["head/kernel"] + value["head/bias"])
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    gradient = (p - np.eye(5)[labels]) @ value["head/kernel"].T
    gradients = []
    for jacobians in reversed(slopes):
        gradient = np.stack([jacobian @ g for jacobian, g in zip(jacobians, gradient, strict=True)])
        gradients.insert(0, gradient)
    return np.array(states), np.array(gradients)


def test_cosine_loss_and_l2_ratio(randomize, rng):
    model = one_pixel(randomize)
    images, labels = rng.normal(size=(60, 1, 1, 4)), rng.integers(0, 5, 60)
    states, gradients = by_hand(model, images, labels)
    changes = np.diff(states, axis=0)
    found = measure_refinement(Steps(model), images, np.eye(5)[labels], LOSS)
    assert [one.step for one in found] == ["stage/0", "stage/1", "stage/2"]
    for one, change, h, gradient in zip(found, changes, states, gradients, strict=False):
        sizes = [np.linalg.norm(x, axis=1) for x in (change, gradient, h)]
        assert one.l2_ratio == pytest.approx((sizes[0] / sizes[2]).mean(), rel=1e-4)
        moved = sizes[0] > 0
        cosines = (change * gradient).sum(axis=1)[moved] / (sizes[0] * sizes[1])[moved]
        assert one.cosine_loss == pytest.approx(cosines.mean(), abs=1e-4)


def test_a_block_that_does_nothing(randomize, rng):
    model = one_pixel(randomize)
    templates = model.get_layer("stage").banks[1].templates
    templates.assign(np.zeros(templates.shape))
    images = rng.normal(size=(6, 1, 1, 4))
    for one in measure_refinement(Steps(model), images, np.eye(5)[[0] * 6], LOSS):
        assert one.l2_ratio == 0
        # What does not move has no direction.
        assert one.cosine_loss is None


def test_gradients_at_initialization(rng):
    """Of identity blocks all gradients are equal."""
    images = keras.Input((1, 1, 4))
    stage = Stage(PreActivationBlock(4), STEPS, tied(STEPS), name="stage")
    x = keras.layers.GlobalAveragePooling2D()(stage(images))
    model = keras.Model(images, keras.layers.Dense(5, name="head")(x))
    stage.banks[1].templates.assign(np.zeros(stage.banks[1].templates.shape))
    batch = rng.normal(size=(6, 1, 1, 4))
    kernel, bias = (ops.convert_to_numpy(weight.value) for weight in model.get_layer("head").weights)
    exponentials = np.exp(batch.reshape(6, 4) @ kernel + bias)
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = np.linalg.norm((p - np.eye(5)[[1] * 6]) @ kernel.T) / 6
    norms = gradient_norms(Steps(model), batch, np.eye(5)[[1] * 6], LOSS)
    assert list(norms.values()) == pytest.approx([expected] * STEPS, rel=1e-4)


def test_readings_of_groups_and_the_whole_record(case, accuracy):
    c = case("preresnet", 40)
    found = measure_iteration(Subject(c.model, c.data), further=2, scale=0.1, seeds=(0,))
    intact = accuracy(c.logits, c.labels)
    assert found.intact == intact
    read = [reading for reading in found.readings if reading.group == "all"]
    moments = {name: moment for name, moment in trajectory(c.model, c.images).items() if moment.logits is not None}
    assert [reading.step for reading in read] == list(moments) == ["stage_3_entry/0", "stage_3/0", "stage_3/1"]
    for reading, moment in zip(read, moments.values(), strict=True):
        assert reading.score == pytest.approx(accuracy(moment.logits, c.labels))
        assert reading.entropy == pytest.approx(moment.entropy.mean(), rel=1e-4)
    # The last intermediate accuracy is the network's.
    assert read[-1].score == intact
    first = next(iter(moments.values())).logits.astype("float64")
    p = np.exp(first) / np.exp(first).sum(axis=1, keepdims=True)
    right = p[np.arange(40), c.labels]
    other = np.where(np.eye(5)[c.labels] == 1, -1, p).max(axis=1)
    groups = {reading.group: reading.examples for reading in found.readings}
    assert groups.get("borderline", 0) == int((np.abs(right - other) < 0.1).sum())
    assert groups.get("right", 0) == int((right - other >= 0.1).sum())
    assert set(found.dropped) == {step.step for step in found.steps if "entry" not in step.step}
    assert [(one.scale, one.further) for one in found.unrolled] == [(s, n) for s in (1.0, 0.1) for n in range(3)]
    for one in found.unrolled:
        if one.further == 0:
            assert (one.score, one.norm) == (intact, pytest.approx(1))
        else:
            longer = c.model.with_architecture(extra_steps=one.further, extra_scale=one.scale)
            longer.set_weights(c.model.get_weights())
            expected = accuracy(ops.convert_to_numpy(longer(c.images.astype("float32"))), c.labels)
            assert one.score == pytest.approx(expected, abs=1.01 / 40)
    [start] = found.gradients
    assert start.ratio == pytest.approx(start.norms["stage_1/0"] / start.norms["stage_3_entry/0"])
    # What the step does that changes the shape is not of this kind.
    assert [one.l2_ratio is None for one in found.steps] == ["entry" in one.step for one in found.steps]


def test_a_network_that_explodes_has_no_figure():
    model = PreActivationResNet(14, width=4, **SMALL)
    last = model.get_layer("stage_3")
    last.banks[1].templates.assign(np.full(last.banks[1].templates.shape, 1e30))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3))
    found = measure_iteration(Subject(model, (images, [0, 1, 2, 3])), further=2, seeds=())
    assert found.unrolled[2].loss is None
    assert found.to_json()
