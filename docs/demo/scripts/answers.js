// One answer in full, and in small for the strip of steps: bars of classes, or the cells of a grid.

import { html, percent, svg } from "./elements.js";
import { endMarks, squares } from "./grid.js";
import { score } from "./paths.js";
import { likeliest } from "./readings.js";

/** A bar for each class, in their order; the likeliest is marked. */
export function classBars(names, probabilities) {
  const first = likeliest(probabilities);
  const rows = names.map((name, i) => {
    const bar = html("span", { class: "bar", style: `inline-size: ${percent(probabilities[i], 1)}` });
    return html(
      "tr",
      { class: i === first ? "first" : "" },
      html("th", { scope: "row" }, name),
      html("td", { class: "track" }, bar),
      html("td", { class: "share", "data-probability": probabilities[i] }, percent(probabilities[i], 1)),
    );
  });
  return html("table", { class: "bars" }, html("tbody", {}, ...rows));
}

/** The same in small: columns side by side. */
export function smallBars(probabilities) {
  const first = likeliest(probabilities);
  const columns = probabilities.map((p, i) =>
    svg("rect", { x: i, y: 1 - p, width: 0.8, height: p, class: i === first ? "first" : "other" }),
  );
  return svg("svg", { viewBox: `0 0 ${probabilities.length - 0.2} 1`, preserveAspectRatio: "none", class: "small" }, ...columns);
}

/** The cells that the network marks, over the true shortest paths, and how well they agree. */
export function gridAnswer(grid, truth, probabilities) {
  const marked = probabilities.map((p) => p > 0.5);
  const { right, found, wanted, f1 } = score(marked, truth);
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${grid.size} ${grid.size}`, class: "cells", role: "img", "aria-label": "The network's answer on the grid" },
    ...squares(grid, (cell) => (grid.obstacles[cell] ? "obstacle" : "free")),
    ...squares(grid, () => "belief").map((square, cell) => {
      square.style.fillOpacity = probabilities[cell];
      square.dataset.probability = probabilities[cell];
      return square;
    }),
    ...truth.flatMap((on, cell) => (on ? [trueMark(cell, grid.size)] : [])),
    ...endMarks(grid),
  );
  const words = wanted
    ? `${right} of ${wanted} cells of the shortest paths found, ${found - right} marked in excess: F1 ${f1.toFixed(2)}.`
    : `No way leads from A to B; ${found} cells are marked all the same.`;
  const key = (kind, meaning) => html("p", { class: "hint" }, html("span", { class: `key ${kind}` }), ` ${meaning}`);
  const legend = [key("belief", "the network's answer, the surer the bluer"), key("truth", "on a true shortest path")];
  return html("div", { class: "answer" }, picture, html("div", {}, html("p", { class: "score" }, words), ...legend));
}

/** The same in small. */
export function smallGrid(grid, probabilities) {
  const cells = squares(grid, () => "belief");
  cells.forEach((square, cell) => (square.style.fillOpacity = probabilities[cell]));
  return svg("svg", { viewBox: `0 0 ${grid.size} ${grid.size}`, class: "small square" }, ...cells);
}

function trueMark(cell, size) {
  return svg("circle", { cx: (cell % size) + 0.5, cy: Math.floor(cell / size) + 0.5, r: 0.2, class: "truth", "data-true": cell });
}
