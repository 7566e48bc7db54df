"""Dropping steps, against stages that skip them."""

from __future__ import annotations

import pytest
from keras import ops

from recurzoo.analysis.ablation import measure_ablation
from recurzoo.analysis.subject import Subject


def without(model, images, stage, steps):
    """Logits of a network whose stage skips some steps."""

    x = images.astype("float32")
    for layer in model.layers[1:]:
        x = layer(x, skip=steps) if layer.name == stage else layer(x)
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize(("family", "stage", "steps"), [("rc", "cell_2", 4), ("preresnet", "stage_1", 3)])
def test_scores_without_steps(family, stage, steps, case, accuracy):
    c = case(family, 40)
    found = measure_ablation(Subject(c.model, c.data), [stage])
    assert found.intact == {c.model.name: accuracy(c.logits, c.labels)}
    dropped = {
        "single": [(step,) for step in range(steps)],
        "top-to-bottom": [tuple(range(steps - count, steps)) for count in range(steps + 1)],
        "bottom-to-top": [tuple(range(count)) for count in range(steps + 1)],
    }
    for curve in found.curves:
        expected = [accuracy(without(c.model, c.images, stage, some), c.labels) for some in dropped[curve.order]]
        # Equal logits aside, a label may turn on rounding.
        assert curve.scores == pytest.approx(expected, abs=1.01 / 40)
        assert curve.dropped == tuple(range(len(expected)))
        if curve.order != "single":
            assert curve.scores[0] == found.intact[c.model.name]


def test_all_stages_with_something_to_drop(case):
    c = case("relaxed")
    found = measure_ablation(Subject(c.model, c.data), orders=["single"])
    assert [(one.stage, one.order, one.dropped) for one in found.curves] == [
        (f"level_{level}", "single", (0, 1)) for level in (1, 2, 3)
    ]


def test_updates_of_a_graph_from_the_last_on_are_earlier_readouts(case, accuracy):
    c = case("frnn", 40)
    found = measure_ablation(Subject(c.model, c.data), orders=["top-to-bottom"])
    earlier = ops.convert_to_numpy(c.model.with_readout(4)(c.images.astype("float32")))
    assert found.curves[0].scores[1] == pytest.approx(accuracy(earlier, c.labels), abs=1.01 / 40)


def test_two_networks_side_by_side(case):
    c, other = case("rc"), case("rc")
    other.model.name = "other"
    found = measure_ablation(Subject(c.model, c.data), ["cell_1"], ["single"], against=[other.model])
    assert [one.model for one in found.curves] == [c.model.name, "other"]
    assert list(found.intact) == [c.model.name, "other"]


def test_what_cannot_be_dropped(case):
    c = case("rc")
    with pytest.raises(ValueError, match=r"cell_1, cell_2.*cell_3"):
        measure_ablation(Subject(c.model, c.data), ["cell_3"])
    with pytest.raises(ValueError, match="sideways"):
        measure_ablation(Subject(c.model, c.data), orders=["sideways"])
    with pytest.raises(ValueError, match="give it data"):
        measure_ablation(Subject(c.model))
