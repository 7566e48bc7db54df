"""Drawings of which layers use which kernels."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from keras import ops
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from recurzoo.analysis.wiring import draw_loops, mixture, wiring
from recurzoo.models import RC, SWRN
from recurzoo.rewriting import fold
from tests.support.networks import NETWORKS, SMALL, make


def drawn(model):
    """The figure of a network's wiring."""
    figure = Figure()
    wiring(model).draw(figure)
    return figure


def circles(axes):
    return [patch for patch in axes.patches if isinstance(patch, Circle)]


@pytest.mark.parametrize("family", NETWORKS)
def test_mixtures_of_the_stored_kernels_are_the_kernels(family, randomize):
    model = randomize(make(family))
    for network in (model, fold(model, 0.5)):
        for bank in (bank for stage in network.stages for bank in stage.banks):
            stored = ops.convert_to_numpy(bank.templates)
            mixed = np.tensordot(mixture(bank), stored, 1)
            np.testing.assert_allclose(mixed, ops.convert_to_numpy(bank.kernels()), atol=1e-5)


def test_a_recurrent_stage_has_a_line_for_each_layer():
    figure = drawn(RC(4, 4, **SMALL))
    assert [axes.get_title() for axes in figure.axes] == [f"cell_{i}: 8 layers, 2 kernels" for i in (1, 2)]
    for axes in figure.axes:
        assert len(axes.lines) == 8
        assert len(circles(axes)) == 2


def test_a_plain_stage_has_a_kernel_a_layer():
    for axes in drawn(SWRN(16, 1, None, **SMALL)).axes:
        assert len(axes.lines) == len(circles(axes)) == 2


def test_states_and_their_transitions():
    (axes,) = drawn(make("frnn")).axes
    assert len(circles(axes)) == 3
    # Nine transitions, in and out.
    assert len([patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]) == 11


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="'plain'"):
        wiring(RC(1, 4, **SMALL, name="plain"))


def test_a_picture_is_shown_and_saved(tmp_path):
    picture = wiring(make("rc"))
    assert ElementTree.fromstring(picture._repr_svg_()).tag.endswith("svg")
    picture.save(tmp_path / "wiring.svg")
    assert (tmp_path / "wiring.svg").read_text() == picture._repr_svg_()
    picture.save(tmp_path / "wiring.png")
    with pytest.raises(ValueError, match=r"wiring\.bmp"):
        picture.save(tmp_path / "wiring.bmp")


def test_a_wiring_has_a_loop_for_each_way_back():
    axes = Figure().subplots()
    draw_loops(axes, (0, 1, 0, 1, 2, 2))
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(circles(axes)) == 3
    # In and out, 1 to 2 (twice), back to 1, on to 3, and 3 again.
    assert len(arrows) == 6
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if text.endswith("x")] == ["2x"]
    assert {"1, 3", "2, 4", "5, 6"} <= set(texts)
