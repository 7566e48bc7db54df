// How layers share kernels: similarity matrices, and the wiring once alike layers are folded into one.

import { byId, html, svg } from "./elements.js";

const RADIUS = 0.28;
// Below a kernel the numbers of its layers.
const [LINE, PER_LINE] = [0.24, 4];
// What the slider begins with.
const FOLDED = 0.9;

/** Everything about a network's banks of kernels, with a slider for the similarity from which they fold. */
export class SharingView {
  #banks = [];

  constructor(thresholds) {
    this.thresholds = thresholds;
    const slider = byId("fold");
    // The last place is the network as it stands.
    slider.max = thresholds.length;
    slider.value = thresholds.indexOf(FOLDED);
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
    byId("alike").value = this.thresholds[place]?.toFixed(2) ?? "not folded";
    byId("fold").setAttribute("aria-valuetext", byId("alike").value);
    for (const { bank, title, wiring } of this.#banks) {
      const index = bank.folds[place] ?? bank.index;
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
  const label = `Similarity of the layers of ${name}`;
  return svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "matrix", style: `--layers: ${size}`, role: "img", "aria-label": label }, ...cells);
}

/**
 * Draw how layers follow each other once those of one kernel are one: kernels in a row with their layers below, arcs
 * back and over some kernels above, and how often a way is taken where it is more than once.
 */
function drawWiring(index) {
  const kernels = Math.max(...index) + 1;
  const times = new Map();
  for (let slot = 1; slot < index.length; slot++) {
    const way = `${index[slot - 1]} ${index[slot]}`;
    times.set(way, (times.get(way) ?? 0) + 1);
  }
  const ways = [...times].map(([way, count]) => [...way.split(" ").map(Number), count]);
  const layers = Array.from({ length: kernels }, (_, kernel) =>
    inLines(index.flatMap((used, slot) => (used === kernel ? [slot + 1] : []))),
  );
  const circles = layers.map((lines, kernel) =>
    svg(
      "g",
      { transform: `translate(${kernel} 0)` },
      svg("circle", { r: RADIUS }),
      svg("text", { y: 0.1 }, String(kernel + 1)),
      ...lines.map((line, i) => svg("text", { y: RADIUS + LINE * (i + 1), class: "layers" }, line)),
    ),
  );
  const top = Math.max(RADIUS, ...ways.map(([before, after]) => (after === before + 1 ? 0 : height(before, after)))) + 0.3;
  const bottom = RADIUS + LINE * (Math.max(...layers.map((lines) => lines.length)) + 0.5);
  return svg(
    "svg",
    {
      viewBox: `-1 ${-top} ${kernels + 1} ${top + bottom}`,
      style: `--columns: ${kernels + 1}`,
      role: "img",
      "aria-label": `Kernels of the layers: ${index.map((kernel) => kernel + 1).join(", ")}`,
    },
    svg("path", { d: `M -0.9 0 H ${index[0] - RADIUS}` }),
    ...ways.flatMap(drawWay),
    ...(index.at(-1) === kernels - 1 ? drawWay([kernels - 1, kernels, 1]) : [arc(index.at(-1), kernels - 0.2, "skip", 0)]),
    ...circles,
  );
}

function drawWay([before, after, count]) {
  const next = after === before + 1;
  const line = next
    ? svg("path", { d: `M ${before + RADIUS} 0 H ${after - RADIUS}` })
    : arc(before, after, after > before ? "skip" : "back", -RADIUS);
  const y = next ? -0.08 : -height(before, after) - 0.06;
  return count > 1 ? [line, svg("text", { x: (before + after) / 2, y, class: "count" }, `${count}×`)] : [line];
}

function arc(from, to, kind, end) {
  // A way to itself leaves on one side and comes in on the other.
  const [start, stop, wide] = from === to ? [from + 0.16, to - 0.16, 0.3] : [from, to, 0];
  // The peak of such a curve is at three quarters of its control points' height.
  const up = -(height(from, to) - RADIUS / 4) / 0.75;
  return svg("path", { class: kind, d: `M ${start} ${-RADIUS} C ${start + wide} ${up} ${stop - wide} ${up} ${stop} ${end}` });
}

/** How high an arc rises: the farther it leads the higher, and back higher than forth. */
function height(from, to) {
  return Math.min(0.62 + 0.08 * Math.abs(to - from), 1.2) - (to > from ? 0.15 : 0);
}

/** Numbers in lines that fit below a circle. */
function inLines(numbers) {
  const lines = [];
  for (let start = 0; start < numbers.length; start += PER_LINE) lines.push(numbers.slice(start, start + PER_LINE).join(", "));
  return lines;
}
