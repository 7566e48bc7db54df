// Pictures in: a file, a drop, a paste, a sample or a drawing, and the pixels that the network sees of it.

import { byId, html } from "./elements.js";
import { Sentence } from "./loading.js";
import { openPad } from "./pad.js";
import { fit } from "./resize.js";

// Of our own making: their names are those of the files.
const SAMPLES = ["ship", "airplane", "truck", "frog", "horse"];
// Phones have no larger canvas.
const MOST_PIXELS = 4096 * 4096;

/**
 * Watch all ways by which pictures come.
 * @param onPicture called with an ImageData of any size, or with an error.
 */
export function watchPictures(onPicture) {
  const take = (blob, name) => decode(blob, name).then((picture) => onPicture(null, picture), onPicture);
  const takeFirst = (files) => {
    if (files.length) take(files[0], files[0].name);
  };
  byId("file").addEventListener("change", ({ target }) => {
    takeFirst(target.files);
    // So that the same file can be chosen once more.
    target.value = "";
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    takeFirst(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => takeFirst(event.clipboardData.files));
  for (const name of SAMPLES) {
    const address = new URL(`../pictures/${name}.svg`, import.meta.url);
    const button = html("button", { type: "button", class: "sample", title: name }, html("img", { src: address, alt: name }));
    button.addEventListener("click", () => draw(address, name).then((picture) => onPicture(null, picture), onPicture));
    byId("samples").append(button);
  }
  openPad((picture) => onPicture(null, picture));
  byId("samples").firstChild.click();
}

/** The pixels of a picture at a network's own size, as its input and on the page. */
export function see(picture, [height, width]) {
  const pixels = fit(picture, height, width);
  const seen = byId("seen");
  [seen.width, seen.height] = [width, height];
  const shown = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) shown.data.set([...pixels.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  seen.getContext("2d").putImageData(shown, 0, 0);
  return Float32Array.from(pixels);
}

async function decode(blob, name) {
  const address = URL.createObjectURL(blob);
  try {
    return await draw(address, name);
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function draw(address, name) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    throw new Sentence(`This is not a picture that the browser can read: ${name}. Choose a PNG, JPEG, WebP or GIF file.`);
  }
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (image.naturalWidth * image.naturalHeight)));
  const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.max(1, Math.floor(side * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  // What is transparent is white, as in Python.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
