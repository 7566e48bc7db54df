// How layers share kernels: similarity matrices, and the wiring once alike layers are folded into one.

import { byId, html, svg } from "./elements.js";

const RADIUS = 0.3;

/** Everything about a network's banks of kernels, with a slider for the similarity from which they fold. */
export class SharingView {
  #banks = [];

  constructor(thresholds) {
    this.thresholds = thresholds;
    const slider = byId("fold");
    slider.max = thresholds.length - 1;
    slider.value = slider.max;
    slider.addEventListener("input", () => this.#draw());
  }

  show({ banks }) {
    this.#banks = banks.map((bank) => {
      const title = html("h3");
      const wiring = html("div", { class: "wiring" });
      return { bank, title, wiring, card: html("figure", {}, title, similarityMatrix(bank), wiring) };
    });
    byId("banks").replaceChildren(...this.#banks.map(({ card }) => card));
    this.#draw();
  }

  #draw() {
    const place = Number(byId("fold").value);
    byId("alike").value = this.thresholds[place].toFixed(2);
    byId("fold").setAttribute("aria-valuetext", byId("alike").value);
    for (const { bank, title, wiring } of this.#banks) {
      const index = bank.folds[place];
      const kernels = Math.max(...index) + 1;
      title.textContent = `${bank.name}: ${index.length} layers, ${kernels} kernel${kernels > 1 ? "s" : ""}`;
      wiring.replaceChildren(drawWiring(index));
    }
  }
}

function similarityMatrix({ name, similarity }) {
  const size = similarity.length;
  const cells = similarity.flatMap((row, i) =>
    row.map((value, j) =>
      svg(
        "rect",
        { x: j, y: i, width: 0.94, height: 0.94, "fill-opacity": value },
        svg("title", {}, `layers ${i + 1} and ${j + 1}: ${value.toFixed(2)}`),
      ),
    ),
  );
  return svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "matrix", role: "img", "aria-label": `Similarity of the layers of ${name}` }, ...cells);
}

/**
 * Draw how layers follow each other once those of one kernel are one: kernels in a row with the numbers of their
 * layers, ways back as arcs above, skips below, and how often a way is taken where it is more than once.
 */
function drawWiring(index) {
  const kernels = Math.max(...index) + 1;
  const times = new Map();
  for (let slot = 1; slot < index.length; slot++) {
    const way = `${index[slot - 1]} ${index[slot]}`;
    times.set(way, (times.get(way) ?? 0) + 1);
  }
  const ways = [...times].flatMap(([way, count]) => drawWay(...way.split(" ").map(Number), count));
  const ends = [
    svg("path", { class: "forward", d: `M -0.9 0 H ${index[0] - RADIUS}` }),
    ...drawWay(index.at(-1), kernels, 1, "forward"),
  ];
  const circles = Array.from({ length: kernels }, (_, kernel) => {
    const layers = index.flatMap((used, slot) => (used === kernel ? [slot + 1] : []));
    return svg(
      "g",
      { transform: `translate(${kernel} 0)` },
      svg("circle", { r: RADIUS }),
      svg("text", { y: 0.1 }, layers.length > 3 ? `${layers[0]}, … ${layers.at(-1)}` : layers.join(", ")),
    );
  });
  const [top, bottom] = [1.1, 0.9];
  return svg(
    "svg",
    { viewBox: `-1 ${-top} ${kernels + 1} ${top + bottom}`, style: `--columns: ${kernels + 1}`, role: "img", "aria-label": `Wiring: ${index.map((kernel) => kernel + 1).join(", ")}` },
    ...ways,
    ...ends,
    ...circles,
  );
}

function drawWay(before, after, count, kind) {
  const middle = (before + after) / 2;
  const label = (y) => (count > 1 ? [svg("text", { x: middle, y, class: "count" }, `${count}×`)] : []);
  if (after === before + 1) {
    return [svg("path", { class: "forward", d: `M ${before + RADIUS} 0 H ${after - RADIUS}` }), ...label(-0.1)];
  }
  if (after > before) {
    const depth = Math.min(0.55 + 0.1 * (after - before), 1.1);
    return [svg("path", { class: kind ?? "skip", d: `M ${before} ${RADIUS} Q ${middle} ${2 * depth - RADIUS} ${after} ${RADIUS}` }), ...label(depth + 0.2)];
  }
  // Back, or to itself; a way to itself leaves on one side and comes in on the other.
  const [from, to] = before === after ? [before + 0.18, before - 0.18] : [before, after];
  const height = Math.min(0.6 + 0.1 * (before - after), 0.85);
  const [up, side] = [-2 * height + RADIUS, before === after ? 0.35 : 0];
  return [
    svg("path", { class: "back", d: `M ${from} ${-RADIUS} C ${from + side} ${up * 0.85} ${to - side} ${up * 0.85} ${to} ${-RADIUS}` }),
    ...label(-height - 0.08),
  ];
}
