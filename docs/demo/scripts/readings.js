// What logits say: probabilities, how sure they are, and where an image would have stopped.

/** Probabilities of the classes; of a single logit a cell, the probability that the cell is marked. */
export function probabilities(logits, classes) {
  if (classes === 1) return Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / sum);
}

/** The probability of the likeliest class; of cells, the mean of theirs. */
export function confidence(probabilities, classes) {
  if (classes > 1) return Math.max(...probabilities);
  return probabilities.reduce((sum, p) => sum + Math.max(p, 1 - p), 0) / probabilities.length;
}

/**
 * Where an image stops, and what that costs: at the first reading that is surer than the threshold, else at the last.
 * @param confidences of each reading.
 * @param readouts of the network, with the operations to each `alone` and `together` with the readings before it.
 * @returns the place, the operations, those of the whole network, and the share that was spared.
 */
export function stop(confidences, threshold, readouts) {
  const last = readouts.length - 1;
  const early = confidences.slice(0, last).findIndex((value) => value > threshold);
  const place = early < 0 ? last : early;
  // Nothing is surer than 1, so that nothing is read on the way.
  const operations = readouts[place][threshold < 1 ? "together" : "alone"];
  const whole = readouts[last].alone;
  return { place, operations, whole, spared: 1 - operations / whole };
}

/** The place of the largest value. */
export function likeliest(values) {
  return values.indexOf(Math.max(...values));
}
