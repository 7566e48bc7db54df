// A grid that one draws: obstacles, and two ends that can be dragged.

import { byId, svg } from "./elements.js";
import { drawGrid } from "./paths.js";

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const NAMES = ["A", "B"];

/** The cells of a grid as squares of one unit, by classes that the style sheet colors. */
export function squares(grid, classOf) {
  return grid.obstacles.map((_, cell) =>
    svg("rect", { x: cell % grid.size, y: Math.floor(cell / grid.size), width: 1, height: 1, class: classOf(cell), "data-cell": cell }),
  );
}

/** The ends of a grid, as circles with their names. */
export function endMarks({ size, ends }) {
  return ends.map((cell, i) =>
    svg(
      "g",
      { class: "end", transform: `translate(${(cell % size) + 0.5} ${Math.floor(cell / size) + 0.5})` },
      svg("circle", { r: 0.45 }),
      svg("text", { "text-anchor": "middle", "dominant-baseline": "central" }, NAMES[i]),
    ),
  );
}

/** The editor of the page's grid. */
export class GridEditor {
  #grid = null;
  #cursor = 0;
  // What the pointer that is down does: moves an end, or sets or clears obstacles.
  #drag = null;

  /**
   * @param facts how grids are drawn, from the manifest.
   * @param onGrid called with each grid.
   */
  constructor(facts, onGrid) {
    Object.assign(this, { facts, onGrid, element: byId("grid") });
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.#press(event));
    element.addEventListener("pointermove", (event) => this.#pull(event));
    element.addEventListener("lostpointercapture", () => (this.#drag = null));
    element.addEventListener("keydown", (event) => this.#type(event));
    for (const name of ["focus", "blur"]) element.addEventListener(name, () => this.#draw());
    byId("another").addEventListener("click", () => this.another(this.#grid.size, Math.random));
    byId("clear").addEventListener("click", () => this.#set({ obstacles: this.#grid.obstacles.map(() => false) }));
  }

  /** A new grid of a size, by random numbers. */
  another(size, random) {
    this.element.setAttribute("viewBox", `0 0 ${size} ${size}`);
    this.#set(drawGrid(size, this.facts.obstacle_rate, this.facts.reach, random));
  }

  #set(changes) {
    this.#grid = { ...this.#grid, ...changes };
    this.#draw();
    this.onGrid(this.#grid);
  }

  #draw() {
    const shown = squares(this.#grid, (cell) => (this.#grid.obstacles[cell] ? "obstacle" : "free"));
    if (document.activeElement === this.element) shown[this.#cursor].classList.add("cursor");
    // Above its neighbors, so that its outline is whole.
    shown.sort((one, other) => one.classList.contains("cursor") - other.classList.contains("cursor"));
    this.element.replaceChildren(...shown, ...endMarks(this.#grid));
  }

  #cellAt({ clientX, clientY }) {
    const { size } = this.#grid;
    const box = this.element.getBoundingClientRect();
    const place = (share) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
    return place((clientY - box.top) / box.height) * size + place((clientX - box.left) / box.width);
  }

  #press(event) {
    this.element.setPointerCapture(event.pointerId);
    const cell = this.#cellAt(event);
    const end = this.#grid.ends.indexOf(cell);
    this.#drag = end >= 0 ? { end } : { obstacle: !this.#grid.obstacles[cell] };
    this.#cursor = cell;
    this.#apply(cell);
  }

  #pull(event) {
    if (this.#drag) this.#apply(this.#cellAt(event));
  }

  #apply(cell) {
    if ("end" in this.#drag) this.#moveEnd(this.#drag.end, cell);
    else this.#setObstacle(cell, this.#drag.obstacle);
  }

  #moveEnd(end, cell) {
    if (this.#grid.ends.includes(cell)) return;
    this.#set({ ends: this.#grid.ends.with(end, cell), obstacles: this.#grid.obstacles.with(cell, false) });
  }

  #setObstacle(cell, obstacle) {
    if (this.#grid.ends.includes(cell) || this.#grid.obstacles[cell] === obstacle) return;
    this.#set({ obstacles: this.#grid.obstacles.with(cell, obstacle) });
  }

  #type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { size, obstacles } = this.#grid;
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if (key in MOVES) {
      const [row, column] = MOVES[key].map((move, axis) => {
        const place = axis ? this.#cursor % size : Math.floor(this.#cursor / size);
        return Math.min(Math.max(place + move, 0), size - 1);
      });
      this.#cursor = row * size + column;
      this.#draw();
    } else if (key === " ") this.#setObstacle(this.#cursor, !obstacles[this.#cursor]);
    else if (NAMES.includes(key)) this.#moveEnd(NAMES.indexOf(key), this.#cursor);
    else return;
    event.preventDefault();
  }
}
