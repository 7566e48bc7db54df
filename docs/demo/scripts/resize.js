// Resizing as Pillow does it, but for rounding: the networks see here what `recurzoo predict` shows them.

const SUPPORT = 2;

/**
 * Resize by the shorter side (bicubic) and crop the center.
 * @param image with `width`, `height` and `data`, four bytes a pixel, opaque.
 * @returns Uint8ClampedArray `(height, width, 3)`.
 */
export function fit(image, height, width) {
  const scale = Math.min(image.width / width, image.height / height);
  const [left, top] = [(image.width - width * scale) / 2, (image.height - height * scale) / 2];
  const pixels = new Uint8ClampedArray(image.width * image.height * 3);
  for (let i = 0; i < image.width * image.height; i++) pixels.set(image.data.subarray(4 * i, 4 * i + 3), 3 * i);
  // Values are rounded in between. Pillow 13 takes the other axis first of some tall pictures, which changes little.
  const rows = resample(pixels, image.height, image.width, width, left, scale, 3);
  // Down, a whole row is what a pixel was.
  return resample(rows, 1, image.height, height, top, scale, 3 * width);
}

/** Resample the middle axis of an array `(outer, size, inner)` to `wanted` values, each of `scale` old ones. */
function resample(values, outer, size, wanted, start, scale, inner) {
  if (size === wanted && scale === 1) return values;
  const resampled = new Uint8ClampedArray(outer * wanted * inner);
  for (let to = 0; to < wanted; to++) {
    const { first, weights } = weightsAround(start + (to + 0.5) * scale, scale, size);
    for (let i = 0; i < outer; i++) {
      for (let k = 0; k < inner; k++) {
        let sum = 0;
        for (let j = 0; j < weights.length; j++) sum += weights[j] * values[(i * size + first + j) * inner + k];
        resampled[(i * wanted + to) * inner + k] = Math.floor(sum + 0.5);
      }
    }
  }
  return resampled;
}

/** Which old values make a new one, and by how much: of a smaller image the kernel is as much wider. */
function weightsAround(center, scale, size) {
  const wide = Math.max(scale, 1);
  const first = Math.max(Math.trunc(center - SUPPORT * wide + 0.5), 0);
  const end = Math.min(Math.trunc(center + SUPPORT * wide + 0.5), size);
  const weights = Array.from({ length: end - first }, (_, j) => bicubic((first + j - center + 0.5) / wide));
  const sum = weights.reduce((a, b) => a + b);
  return { first, weights: weights.map((weight) => weight / sum) };
}

function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
