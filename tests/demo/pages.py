"""Waiting for a page of the demo, and reading its grid."""

from __future__ import annotations

import networkx


def settle(page):
    """Wait until the answer is that to what is shown."""
    page.wait_for_selector("#answer[aria-busy=false]")


def wait_for_change(page, action):
    """Do something, and wait for another answer."""
    before = page.inner_html("#answer")
    action()
    page.wait_for_function("before => document.getElementById('answer').innerHTML !== before", arg=before)
    settle(page)


def grid_of(page):
    """The free cells of the page's grid, as a graph, and its two ends."""
    size = int(page.get_attribute("#grid", "viewBox").split()[-1])
    kinds = page.eval_on_selector_all(
        "#grid rect", "all => all.map((one) => [Number(one.dataset.cell), one.classList[0]])"
    )
    ends = page.eval_on_selector_all(
        "#grid .end", "all => all.map((one) => [one.transform.baseVal[0].matrix.f, one.transform.baseVal[0].matrix.e])"
    )
    graph = networkx.grid_2d_graph(size, size)
    graph.remove_nodes_from(divmod(cell, size) for cell, kind in kinds if kind == "obstacle")
    return graph, [(int(row), int(column)) for row, column in ends]


def true_cells(graph, ends):
    if not networkx.has_path(graph, *ends):
        return set()
    there, back = (networkx.single_source_shortest_path_length(graph, end) for end in ends)
    length = there[ends[1]]
    return {cell for cell in there if cell in back and there[cell] + back[cell] == length}


def shown_cells(page):
    size = int(page.get_attribute("#grid", "viewBox").split()[-1])
    cells = page.eval_on_selector_all("#answer [data-true]", "all => all.map((one) => Number(one.dataset.true))")
    return {divmod(cell, size) for cell in cells}
