"""Stopping early: by hand from the logits on the way, and the operations written out."""

from __future__ import annotations

import numpy as np
import pytest

from recurzoo.analysis.anytime import Anytime, Probe, sureness
from recurzoo.analysis.reading import trajectory
from recurzoo.analysis.readouts import LinearHead, fit_readouts, with_readouts
from recurzoo.analysis.subject import Subject
from recurzoo.analysis.tradeoff import measure_anytime
from recurzoo.families.base import building_in
from recurzoo.layers.operations import macs, macs_by_step
from recurzoo.models import RC
from tests.support.networks import SMALL, make


def softmax(logits):
    exponentials = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("family", ["rc", "frnn", "swrn"])
def test_at_threshold_1_it_is_the_network(family, case):
    c = case(family)
    answers = Anytime(c.model, 1.0)(c.images, batch_size=5)
    np.testing.assert_allclose(answers.logits, c.logits, rtol=1e-3, atol=1e-3)
    assert answers.labels.tolist() == c.logits.argmax(axis=1).tolist()
    assert set(answers.operations.tolist()) == {macs(c.model)}
    assert set(answers.steps.tolist()) == {sum("/" in name for name in macs_by_step(c.model))}


@pytest.mark.parametrize("measure", ["confidence", "entropy", "agreement"])
def test_each_image_stops_where_it_is_sure(measure, case):
    c = case("rc", 40)
    logits = np.stack([m.logits for m in trajectory(c.model, c.images).values() if m.logits is not None])
    p, labels = softmax(logits), logits.argmax(axis=-1)
    sure = {
        "confidence": p.max(axis=-1),
        "entropy": 1 + (p * np.log(p)).sum(axis=-1) / np.log(5),
        "agreement": np.stack([(labels[max(0, t - 2) : t + 1] == labels[t]).sum(axis=0) / 3 for t in range(4)]),
    }[measure]
    threshold = 0.5 if measure == "agreement" else float(np.median(sure[:3]))
    stop = np.array([next((t for t in range(3) if sure[t, i] > threshold), 3) for i in range(40)])
    # Labels of random networks agree from the second step on.
    assert len(set(stop.tolist())) > 1 or measure == "agreement"
    answers = Anytime(c.model, threshold, measure)(c.images, batch_size=16)
    same = np.abs(sure[:3] - threshold).min(axis=0) > 1e-4
    assert answers.steps[same].tolist() == (4 + stop + 1)[same].tolist()
    chosen = logits[stop, np.arange(40)]
    np.testing.assert_allclose(answers.logits[same], chosen[same], rtol=1e-3, atol=1e-3)
    assert answers.labels[same].tolist() == chosen.argmax(axis=-1)[same].tolist()
    # What is spent: everything before, the steps taken, and a head after each of them.
    parts = macs_by_step(c.model)
    before = sum(count for name, count in parts.items() if not name.startswith(("cell_2", "head")))
    spent = [before + sum(parts[f"cell_2/{step}"] for step in range(t + 1)) + (t + 1) * parts["head"] for t in range(4)]
    assert answers.operations[same].tolist() == [spent[t] for t in stop[same]]


@pytest.mark.parametrize("family", ["rc", "swrn", "frnn"])
def test_it_answers_with_the_weights_that_the_network_has_now(family, randomize, rng):
    model = randomize(make(family))
    images = rng.uniform(0, 255, (6, *model.input_shape[1:])).astype("float32")
    early = Anytime(model, 0.0)
    for each in (early, early.at(1.0)):
        each(images)
    randomize(model)
    states = trajectory(model, images).values()
    first = next(moment.logits for moment in states if moment.logits is not None)
    for each, expected in ((early, first), (early.at(1.0), model.predict(images, verbose=0))):
        np.testing.assert_allclose(each(images).logits, expected, rtol=1e-3, atol=1e-3)


def test_only_what_is_surer_than_the_threshold_stops():
    logits = np.array([[0.0, 0.0], [0.0, 50.0]])
    assert sureness("confidence", logits, []).tolist() == [0.5, 1.0]
    assert sureness("entropy", logits, []) == pytest.approx([0.0, 1.0])
    assert sureness("agreement", logits, [np.array([0, 0]), np.array([1, 1])]) == pytest.approx([2 / 3, 2 / 3])
    # Nothing is surer than 1.
    assert not (sureness("confidence", logits, []) > 1).any()


def probe_of(sure, right, operations=(1.0, 2.0, 3.0)):
    """A probe of two classes with these confidences and right answers, `(readouts, images)`."""
    margin = np.log(np.maximum(sure, 1e-9) / np.maximum(1 - sure, 1e-9))
    logits = np.where(right[..., None], [0.0, 1.0], [1.0, 0.0]) * margin[..., None]
    spent = np.array(operations)
    labels = np.ones(sure.shape[1], int)
    names, steps = ("a", "b", "c"), np.array([1, 2, 3])
    score = lambda logits, labels: float((logits.argmax(axis=-1) == labels).mean())  # noqa: E731
    return Probe("confidence", names, logits, labels, steps, spent, spent, score)


def test_thresholds_for_a_wished_accuracy_or_budget():
    sure = np.array([[0.6, 0.7, 0.8, 0.9], [0.9, 0.9, 0.9, 0.95], [0.99] * 4])
    right = np.array([[False, False, True, True], [False, True, True, True], [True] * 4])
    probe = probe_of(sure, right)
    found = probe.policies(np.array([0.0, 0.65, 0.75, 0.85, 1.0]))
    assert found.score.tolist() == [0.5, 0.5, 0.75, 0.75, 1.0]
    assert found.operations.tolist() == [1.0, 1.25, 1.5, 1.75, 3.0]
    assert found.steps.tolist() == [1.0, 1.25, 1.5, 1.75, 3.0]
    at = probe.policies(np.array([probe.choose(accuracy=0.75)]))
    assert (at.score[0], at.operations[0]) == (0.75, 1.5)
    assert probe.policies(np.array([probe.choose(budget=0.55)])).score[0] == 0.75
    assert probe.choose(accuracy=1.0) > 0.85
    fixed = probe.fixed()
    assert fixed.score.tolist() == [0.5, 0.75, 1.0]
    with pytest.raises(ValueError, match=r"budget=0\.2"):
        probe.choose(budget=0.2)
    with pytest.raises(ValueError, match="accuracy=None"):
        probe.choose()


def test_calibrating_and_measuring(case):
    c = case("rc", 40)
    probe = Anytime(c.model).probe(c.images, c.labels)
    chosen = Anytime(c.model).calibrate(c.images, c.labels, budget=0.95)
    policy = probe.policies(np.array([chosen.threshold]))
    answers = chosen(c.images)
    assert answers.operations.mean() == pytest.approx(policy.operations[0], rel=0.01)
    assert (answers.labels == c.labels).mean() == pytest.approx(policy.score[0], abs=1.01 / 40)
    found = measure_anytime(Subject(c.model, c.data), budget=0.95)
    assert (found.chosen_on, found.examples) == (20, 20)
    assert found.whole.operations == macs(c.model)
    assert found.taken.operations / found.whole.operations < 1
    assert found.fixed[-1].score == found.whole.score
    assert [point.threshold for point in found.fixed] == [None] * 4
    assert found.thresholds[-1].operations == macs(c.model)
    assert found.seconds > 0


def test_heads_fitted_to_early_steps(case):
    c = case("rc", 60)
    # Classes that brightness tells, more or less.
    c.images[:] = c.images // 8 + (c.labels * 50)[:, None, None, None].astype("uint8")
    readouts = fit_readouts(c.model, c.images, c.labels)
    moments = trajectory(c.model, c.images)
    assert list(readouts) == list(moments)[:-1]
    pooled = moments["cell_1/0"].features.mean(axis=(1, 2))
    head = readouts["cell_1/0"]
    assert np.mean((pooled @ head.kernel + head.bias).argmax(axis=1) == c.labels) > 0.6
    sure = Anytime(c.model, 0.0, readouts=readouts)
    answers = sure(c.images)
    # So low a threshold stops all at the first step.
    assert set(answers.steps.tolist()) == {1}
    parts = macs_by_step(c.model)
    assert set(answers.operations.tolist()) == {parts["stem"] + parts["cell_1/0"] + 4 * 5}
    np.testing.assert_allclose(answers.logits, pooled @ head.kernel + head.bias, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(Anytime(c.model, 1.0, readouts=readouts)(c.images).operations, macs(c.model))
    every = with_readouts(c.model, readouts)
    assert list(every.output) == list(moments)
    outputs = every.predict(c.images.astype("float32"), verbose=0)
    np.testing.assert_allclose(outputs["cell_1/0"], answers.logits, rtol=1e-3, atol=1e-3)
    own = with_readouts(c.model).predict(c.images.astype("float32"), verbose=0)
    assert set(own) == {f"cell_2/{step}" for step in range(4)}
    np.testing.assert_allclose(own["cell_2/1"], moments["cell_2/1"].logits, rtol=1e-3, atol=1e-3)


def test_heads_of_two_classes(rng):
    model = RC(1, 4, num_classes=2, input_shape=(8, 8, 3))
    labels = np.arange(20) % 2
    images = rng.integers(0, 100, (20, 8, 8, 3)) + 100 * labels[:, None, None, None]
    head = fit_readouts(model, images, labels)["cell_1/0"]
    pooled = trajectory(model, images)["cell_1/0"].features.mean(axis=(1, 2))
    assert ((pooled @ head.kernel + head.bias).argmax(axis=1) == labels).all()


def test_what_cannot_stop_early(case):
    c = case("rc")
    for settings in (
        {"threshold": 1.5},
        {"measure": "hope"},
        {"readouts": {"cell_9/0": LinearHead(*[np.zeros(1)] * 2)}},
    ):
        with pytest.raises(ValueError, match="Received"):
            Anytime(c.model, **settings)
    with pytest.raises(ValueError, match="without one"):
        Anytime(RC(1, 4, include_top=False, **SMALL))
    with building_in("mixed_bfloat16"):
        mixed = RC(1, 4, **SMALL)
    with pytest.raises(ValueError, match=r"^Networks are taken apart in float32\. Received: .* in bfloat16"):
        Anytime(mixed)(c.images)
    with pytest.raises(ValueError, match="4 of 5 classes"):
        fit_readouts(c.model, c.images, c.labels % 4)
