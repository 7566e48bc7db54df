"""What the page's networks answer, beside Keras; what they see, beside Pillow; what is spared, beside `anytime`."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

import recurzoo
from tests.demo.pages import grid_of, settle, shown_cells, true_cells, wait_for_change

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]
# What a page can load: files of less than 5 MB, of four bytes a parameter.
NETWORKS = [name for name in recurzoo.list_models(pretrained=True) if recurzoo.info(name).parameters < 1_250_000]
RUN = """async ([name, pixels]) => {
  const { Runtime, readManifest } = await import("./scripts/loading.js");
  const { networks, runtime } = await readManifest();
  const network = await new Runtime(runtime).open(networks.find((facts) => facts.name === name), () => {});
  return (await network.run(Float32Array.from(pixels))).map((logits) => Array.from(logits));
}"""


def readings(name, pixels):
    """Keras' logits after each step that its head reads, by the names of the states."""
    moments = recurzoo.trajectory(name, pixels[None])
    return {state: moment.logits[0] for state, moment in moments.items() if moment.logits is not None}


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"name": "noise.png", "mimeType": "image/png", "buffer": file.getvalue()}


def blurred(rng, height, width):
    """A picture with smooth and sharp parts."""
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype="uint8"))
    picture = np.array(small.resize((width, height), Image.Resampling.BICUBIC))
    picture[height // 2 :] = rng.integers(0, 256, (height - height // 2, width, 3))
    return picture


def test_every_small_checkpoint_is_there(manifest, site):
    described = {network["name"]: network for network in manifest["networks"]}
    assert set(described) == set(NETWORKS)
    for name, network in described.items():
        info = recurzoo.info(name)
        assert network["class_names"] == list(info.class_names)
        assert network["parameters"] == info.parameters
        assert network["bytes"] == (site / network["file"]).stat().st_size < 5_000_000


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_after_each_step_are_keras(name, manifest, open_page, rng):
    facts = next(network for network in manifest["networks"] if network["name"] == name)
    if len(facts["class_names"]) > 1:
        pixels = blurred(rng, *facts["input_shape"][:2]).astype("float32")
    else:
        pixels = 255 * (rng.random(facts["input_shape"]) < [0.01, 0.1]).astype("float32")
    expected = readings(name, pixels)
    received = open_page(wait=False).evaluate(RUN, [name, pixels.ravel().tolist()])
    assert [readout["state"] for readout in facts["readouts"]] == list(expected)
    for logits, (state, theirs) in zip(received, expected.items(), strict=True):
        np.testing.assert_allclose(np.reshape(logits, theirs.shape), theirs, rtol=0, atol=1e-3, err_msg=state)


@pytest.mark.parametrize("name", ["rc-4-w16", "swrn-22-1-2"])
def test_bars_of_a_chosen_file_are_keras(name, open_page, answers, rng):
    pixels = blurred(rng, 32, 32)
    page = open_page(name)
    wait_for_change(page, lambda: page.set_input_files("#file", png(pixels)))
    expected = softmax(np.stack(list(readings(name, pixels).values())))
    np.testing.assert_allclose(answers(page), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(32, 32), (43, 57), (20, 90), (300, 211)])
def test_pictures_are_resized_as_in_python(size, open_page, rng):
    from recurzoo.data.images import decode

    picture = png(blurred(rng, *size))
    page = open_page()
    page.set_input_files("#file", picture)
    expected = decode(picture["buffer"], (32, 32)).astype(int)
    read = "() => Array.from(seen.getContext('2d').getImageData(0, 0, seen.width, seen.height).data)"
    for _ in range(50):
        seen = np.array(page.evaluate(read)).reshape(32, 32, 4)[..., :3]
        if np.abs(seen - expected).max() <= 1:
            break
        page.wait_for_timeout(100)
    # Pillow rounds its weights.
    assert np.abs(seen - expected).max() <= 1


@pytest.mark.parametrize("name", ["rc-4-w16", "frnn-3-t5-w16"])
def test_stopping_early_is_that_of_anytime(name, open_page, rng):
    pixels = blurred(rng, 32, 32)
    page = open_page(name)
    wait_for_change(page, lambda: page.set_input_files("#file", png(pixels)))
    whole = recurzoo.anytime(name, 1.0)(pixels[None])
    for threshold in (0.5, 0.7, 0.9, 1.0):
        answer = recurzoo.anytime(name, threshold)(pixels[None])
        page.locator("#threshold").fill(str(threshold))
        verdict = page.inner_text("#verdict")
        stop = page.inner_text("#strip .stop span")
        assert stop == str(answer.steps[0])
        if answer.steps[0] < whole.steps[0]:
            assert f"after step {answer.steps[0]}:" in verdict
            assert f"{answer.operations[0] / 1e6:.1f} of {whole.operations[0] / 1e6:.1f} million" in verdict
            assert f"{1 - answer.operations[0] / whole.operations[0]:.0%} of the operations" in verdict
        else:
            assert f"all {whole.steps[0]} steps" in verdict


def test_answers_for_a_drawn_grid_and_its_true_paths(open_page, answers):
    page = open_page("scnn-20")
    for _ in range(3):
        settle(page)
        graph, ends = grid_of(page)
        size = int(page.get_attribute("#grid", "viewBox").split()[-1])
        cells = list(itertools.product(range(size), repeat=2))
        pixels = np.array([[255 * (cell in ends), 255 * (cell not in graph)] for cell in cells], "float32")
        expected = readings("scnn-20", pixels.reshape(size, size, 2))
        probabilities = np.stack([1 / (1 + np.exp(-logits.ravel())) for logits in expected.values()])
        np.testing.assert_allclose(answers(page), probabilities, rtol=0, atol=1e-3)
        assert shown_cells(page) == true_cells(graph, ends)
        page.click("#another")
