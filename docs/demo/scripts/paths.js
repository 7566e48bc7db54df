// Shortest paths: the true ones, and grids to look for them in.

/**
 * A grid.
 * @typedef {{size: number, obstacles: boolean[], ends: [number, number]}} Grid cells are numbered row by row.
 */

/** The cells next to one, in four directions. */
function neighbors(cell, size) {
  const [row, column] = [Math.floor(cell / size), cell % size];
  return [
    ...(row > 0 ? [cell - size] : []),
    ...(row < size - 1 ? [cell + size] : []),
    ...(column > 0 ? [cell - 1] : []),
    ...(column < size - 1 ? [cell + 1] : []),
  ];
}

/** Steps from a cell to every other one, Infinity where no way leads, by breadth-first search. */
export function distances({ size, obstacles }, start) {
  const steps = Array(size * size).fill(Infinity);
  steps[start] = 0;
  const queue = [start];
  for (const cell of queue) {
    for (const next of neighbors(cell, size)) {
      if (obstacles[next] || steps[next] < Infinity) continue;
      steps[next] = steps[cell] + 1;
      queue.push(next);
    }
  }
  return steps;
}

/** Whether each cell lies on a shortest path between the ends; none does where no way leads. */
export function truePath(grid) {
  const [there, back] = grid.ends.map((end) => distances(grid, end));
  const length = there[grid.ends[1]];
  return there.map((steps, cell) => length < Infinity && steps + back[cell] === length);
}

/** How well cells were marked: those rightly marked, marked in all, to be marked in all, and their F1. */
export function score(marked, truth) {
  const count = (cells) => cells.filter(Boolean).length;
  const [right, found, wanted] = [count(marked.map((mark, cell) => mark && truth[cell])), count(marked), count(truth)];
  return { right, found, wanted, f1: found + wanted ? (2 * right) / (found + wanted) : 1 };
}

/** What the network sees: the ends in the first channel, the obstacles in the second. */
export function toPixels({ obstacles, ends }) {
  return Float32Array.from(obstacles.flatMap((obstacle, cell) => [ends.includes(cell) ? 255 : 0, obstacle ? 255 : 0]));
}

/**
 * A grid as those that the networks were trained on.
 * @param reach how many rows and columns the ends are apart at most.
 * @param random gives numbers in 0..1, as Math.random does.
 */
export function drawGrid(size, rate, reach, random) {
  for (;;) {
    const first = Math.floor(random() * size * size);
    const [row, column] = [Math.floor(first / size), first % size].map((place) => {
      const [least, most] = [Math.max(place - reach, 0), Math.min(place + reach, size - 1)];
      return least + Math.floor(random() * (most - least + 1));
    });
    const ends = [first, row * size + column];
    const obstacles = Array.from({ length: size * size }, (_, cell) => random() < rate && !ends.includes(cell));
    const grid = { size, obstacles, ends };
    if (ends[0] !== ends[1] && truePath(grid).some(Boolean)) return grid;
  }
}
