"""The page in use: sliders, drawing, grids, errors, phones, and pictures of it for the docs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import recurzoo
from tests.demo.pages import grid_of, settle, shown_cells, true_cells, wait_for_change

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def test_slider_goes_through_the_steps_by_keyboard(open_page, manifest):
    name = manifest["networks"][0]["name"]
    steps = [readout["step"] for readout in manifest["networks"][0]["readouts"]]
    page = open_page(name)
    page.focus("#step")
    for place in reversed(range(len(steps))):
        assert page.inner_text("#when").startswith(f"after step {steps[place]} of {steps[-1]},")
        assert page.get_attribute("#step", "aria-valuetext") == f"after step {steps[place]} of {steps[-1]}"
        assert page.locator("#strip .chosen").inner_text().split()[0] == str(steps[place])
        page.keyboard.press("ArrowLeft")
    page.locator("#strip li").nth(1).click()
    assert page.input_value("#step") == "1"


def test_everything_is_reached_by_the_tabulator(open_page):
    page = open_page()
    page.click("#draw")
    page.focus("#network")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.title"))
    assert {"file", "draw", "ship", "paper", "brush", "wipe", "step", "threshold", "fold"} <= reached


def test_drawing_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    page.click("#draw")
    box = page.locator("#paper").bounding_box()
    colors = "() => new Set(seen.getContext('2d').getImageData(0, 0, 32, 32).data).size"
    page.wait_for_function("() => seen.getContext('2d').getImageData(16, 16, 1, 1).data[0] === 255")
    assert page.evaluate(colors) == 1

    def draw():
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
        page.mouse.up()

    wait_for_change(page, draw)
    row = "(y) => Array.from({ length: 32 }, (_, x) => seen.getContext('2d').getImageData(x, y, 1, 1).data[0])"
    drawn = np.array(page.evaluate(row, 16))
    assert (drawn[8:24] < 60).all()
    assert (drawn[:4] == 255).all()

    def press():
        page.focus("#paper")
        for key in [" ", *["ArrowDown"] * 8]:
            page.keyboard.press(key)

    wait_for_change(page, press)
    assert min(page.evaluate(row, 22)) < 60
    page.locator("#colors input[value=grass]").check(force=True)
    wait_for_change(page, lambda: page.click("#wipe"))
    assert page.evaluate("() => Array.from(seen.getContext('2d').getImageData(3, 3, 1, 1).data)") == [79, 138, 60, 255]


def test_a_dropped_and_a_pasted_picture_are_taken(open_page):
    page = open_page()
    for kind, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        give = f"""async (color) => {{
          const canvas = new OffscreenCanvas(8, 8);
          const context = canvas.getContext("2d");
          context.fillStyle = color;
          context.fillRect(0, 0, 8, 8);
          const data = new DataTransfer();
          data.items.add(new File([await canvas.convertToBlob()], "one.png", {{ type: "image/png" }}));
          const event = new Event("{kind}", {{ bubbles: true, cancelable: true }});
          event.{field} = data;
          document.dispatchEvent(event);
        }}"""
        color = {"drop": [200, 40, 20], "paste": [10, 90, 160]}[kind]
        page.evaluate(give, f"rgb({color[0]} {color[1]} {color[2]})")
        page.wait_for_function(
            "(color) => [...seen.getContext('2d').getImageData(9, 9, 1, 1).data].slice(0, 3).join() === color.join()",
            arg=color,
        )


def test_a_file_that_is_no_picture_is_told_in_a_sentence(open_page):
    page = open_page()
    before = page.inner_text("#answer")
    page.set_input_files("#file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("#error:visible")
    message = page.inner_text("#error")
    assert message.startswith("This is not a picture that the browser can read: notes.png.")
    assert page.inner_text("#answer") == before
    page.click(".sample[title=frog]")
    page.wait_for_selector("#error", state="hidden")


@pytest.mark.parametrize(
    ("file", "words"), [("models/", "The network"), ("vendor/", "ONNX Runtime"), ("models.json", "The list")]
)
def test_what_cannot_be_loaded_is_told_in_a_sentence(file, words, open_page):
    page = open_page("cnn-20")
    page.route(lambda url: file in url, lambda route: route.fulfill(status=404))
    if file == "models/":
        page.select_option("#network", "rc-4-w16")
    else:
        page.reload()
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error").startswith(words)
    assert "the server answered 404" in page.inner_text("#error")
    if file == "models/":
        page.unroute_all()
        page.select_option("#network", "scnn-20")
        page.wait_for_selector("#strip li")
        assert page.is_hidden("#error")


def test_one_network_at_a_time_with_a_progress_bar(open_page):
    page = open_page("cnn-20")
    waiting = []
    page.route("**/models/*", lambda route: waiting.append(route))
    page.select_option("#network", "rc-4-w16")
    page.wait_for_selector("#progress:visible")
    assert page.inner_text("#loading") == "Loading rc-4-w16"
    # The one that is wanted no more does not come in between.
    page.select_option("#network", "swrn-22-1-2")
    page.wait_for_function("() => document.getElementById('loading').textContent === 'Loading swrn-22-1-2'")
    while len(waiting) < 2:
        page.wait_for_timeout(50)
    waiting[1].continue_()
    page.wait_for_selector("#strip li")
    assert page.is_hidden("#progress")
    assert page.input_value("#network") == "swrn-22-1-2"
    assert page.url.endswith("#swrn-22-1-2")


def cell_point(page, row, column):
    box = page.locator("#grid").bounding_box()
    size = int(page.get_attribute("#grid", "viewBox").split()[-1])
    return box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size


def drag(page, start, end):
    page.mouse.move(*cell_point(page, *start))
    page.mouse.down()
    page.mouse.move(*cell_point(page, *end), steps=30)
    page.mouse.up()


def test_obstacles_and_ends_are_drawn_by_mouse(open_page):
    page = open_page("scnn-20")
    wait_for_change(page, lambda: page.click("#clear"))
    for end, place in enumerate([(2, 2), (12, 11)]):
        _, ends = grid_of(page)
        drag(page, ends[end], place)
    assert grid_of(page)[1] == [(2, 2), (12, 11)]
    drag(page, (7, 0), (7, 14))
    graph, ends = grid_of(page)
    assert {(7, column) for column in range(16)} - set(graph) == {(7, column) for column in range(15)}
    settle(page)
    assert shown_cells(page) == true_cells(graph, ends)
    assert "of the shortest paths found" in page.inner_text("#answer")
    wait_for_change(page, lambda: page.mouse.click(*cell_point(page, 7, 15)))
    settle(page)
    assert page.inner_text("#answer .score").startswith("No way leads from A to B")
    assert shown_cells(page) == set()
    # From an obstacle on, the pointer clears.
    drag(page, (7, 3), (7, 5))
    assert {(7, 3), (7, 4), (7, 5)} <= set(grid_of(page)[0])


def test_obstacles_and_ends_are_drawn_by_keyboard(open_page):
    page = open_page("cnn-20")
    page.click("#clear")
    page.focus("#grid")
    for key in [*["ArrowDown"] * 3, "ArrowRight", "a", *["ArrowDown"] * 2, " ", *["ArrowDown"] * 20, "B"]:
        page.keyboard.press(key)
    graph, ends = grid_of(page)
    assert ends == [(3, 1), (15, 1)]
    assert (5, 1) not in graph
    settle(page)
    assert shown_cells(page) == true_cells(graph, ends)


@pytest.mark.tensorflow
def test_similarities_and_folds_are_those_of_the_package(open_page):
    page = open_page("swrn-22-1-2")
    model = recurzoo.load("swrn-22-1-2")
    similarity = np.concatenate(
        [stage.banks[0].similarity().ravel() for stage in model.stages if stage.banks[0].slots > 1]
    )
    shown = page.eval_on_selector_all(
        ".matrix rect", "all => all.map((one) => Number(one.getAttribute('fill-opacity')))"
    )
    np.testing.assert_allclose(shown, np.clip(similarity, 0, 1), atol=1e-3)
    places = int(page.get_attribute("#fold", "max"))
    for place in range(places):
        page.locator("#fold").fill(str(place))
        threshold = float(page.inner_text("#alike"))
        banks = [bank for stage in recurzoo.fold(model, threshold).fold_report.stages for bank in stage.banks]
        wiring = page.eval_on_selector_all(".wiring svg", "all => all.map((one) => one.getAttribute('aria-label'))")
        assert wiring == [f"Kernels of the layers: {', '.join(str(k + 1) for k in bank.index)}" for bank in banks]
    page.locator("#fold").fill(str(places))
    assert page.inner_text("#alike") == "not folded"
    assert page.locator("figure h3").first.inner_text().endswith("4 layers, 4 kernels")


@pytest.mark.parametrize("network", ["rc-4-w16", "scnn-20", "preresnet-50-ubn"])
def test_nothing_is_wider_than_a_phone(network, open_page):
    page = open_page(network, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#step").bounding_box()["width"] > 100


SHOTS = {
    "pictures": ("rc-4-w16", {}, "frog"),
    "paths": ("scnn-20", {}, None),
    "dark": ("frnn-3-t5-w16", {"color_scheme": "dark"}, "airplane"),
    "phone": ("scnn-20", {**PHONE, "device_scale_factor": 1}, None),
    "sharing": ("swrn-22-1-2", {}, None),
}


@pytest.mark.parametrize("view", SHOTS)
def test_pictures_of_each_view(view, open_page, tmp_path):
    """Kept where RECURZOO_SCREENSHOTS names a folder."""
    network, settings, sample = SHOTS[view]
    page = open_page(network, reduced_motion="reduce", **settings)
    if sample:
        wait_for_change(page, lambda: page.click(f".sample[title={sample}]"))
        page.mouse.move(0, 0)
    folder = Path(os.environ.get("RECURZOO_SCREENSHOTS", tmp_path))
    folder.mkdir(exist_ok=True)
    path = folder / f"{view}.png"
    if view == "phone":
        page.locator("#answer").scroll_into_view_if_needed()
    if view == "sharing":
        page.locator("main > section").last.screenshot(path=path)
    else:
        page.screenshot(path=path, full_page=view == "paths")
    assert path.stat().st_size > 10_000
