// Paper to draw a picture on, by mouse, finger, pen or keyboard.

import { byId, html } from "./elements.js";

const COLORS = { black: "#1a1a1a", white: "#ffffff", sky: "#8fc1ea", sea: "#1f5f8b", grass: "#4f8a3c", earth: "#8a6642", sand: "#d9c69a", gray: "#8c8c8c", red: "#b3342d", yellow: "#e5b92f" };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Make the paper ready.
 * @param onDrawing called with an ImageData after each stroke.
 */
export function openPad(onDrawing) {
  const paper = byId("paper");
  const context = paper.getContext("2d", { willReadFrequently: true });
  context.lineCap = context.lineJoin = "round";
  let color = COLORS.black;
  // Where the brush is, and whether it touches the paper.
  let [x, y, down] = [paper.width / 2, paper.height / 2, false];

  const show = () => onDrawing(context.getImageData(0, 0, paper.width, paper.height));
  const fill = (style) => {
    context.fillStyle = style;
    context.fillRect(0, 0, paper.width, paper.height);
    show();
  };
  const moveTo = (toX, toY) => {
    if (down) {
      context.strokeStyle = color;
      context.lineWidth = Number(byId("brush").value);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(toX, toY);
      context.stroke();
    }
    [x, y] = [toX, toY];
  };
  const place = ({ clientX, clientY }) => {
    const box = paper.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * paper.width, ((clientY - box.top) / box.height) * paper.height];
  };

  paper.addEventListener("pointerdown", (event) => {
    paper.setPointerCapture(event.pointerId);
    [x, y] = place(event);
    down = true;
    moveTo(x, y);
    show();
  });
  paper.addEventListener("pointermove", (event) => {
    if (!paper.hasPointerCapture(event.pointerId)) return;
    moveTo(...place(event));
    show();
  });
  paper.addEventListener("lostpointercapture", () => (down = false));
  paper.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES) && event.key !== " ") return;
    event.preventDefault();
    if (event.key === " ") down = !down;
    const [dx, dy] = MOVES[event.key] ?? [0, 0];
    const within = (value, size) => Math.min(Math.max(value, 0), size);
    moveTo(within(x + 8 * dx, paper.width), within(y + 8 * dy, paper.height));
    if (down) show();
  });
  byId("wipe").addEventListener("click", () => fill(color));
  for (const [name, value] of Object.entries(COLORS)) {
    const input = html("input", { type: "radio", name: "color", value: name, "aria-label": name, class: "visually-hidden" });
    input.checked = value === color;
    input.addEventListener("change", () => (color = value));
    byId("colors").append(html("label", { class: "color", title: name, style: `background: ${value}` }, input));
  }
  byId("draw").addEventListener("click", ({ currentTarget }) => {
    const opened = byId("pad").toggleAttribute("hidden") === false;
    currentTarget.setAttribute("aria-expanded", opened);
    if (opened) {
      fill(COLORS.white);
      byId("pad").scrollIntoView({ block: "nearest" });
    }
  });
}
