// The slider over steps, the strip of all answers, and stopping early.

import { byId, html, percent } from "./elements.js";
import { confidence, stop } from "./readings.js";

/** What is shown of one run of a network: the answer after a step, all answers in small, what stopping early spares. */
export class StepView {
  #run = null;

  constructor() {
    byId("step").addEventListener("input", () => this.#draw());
    byId("threshold").addEventListener("input", () => this.#draw());
  }

  /** Begin with another network, at its last step. */
  reset({ readouts }) {
    this.#run = null;
    const slider = byId("step");
    slider.max = readouts.length - 1;
    slider.value = slider.max;
    for (const id of ["answer", "strip", "when", "verdict"]) byId(id).replaceChildren();
  }

  /**
   * Show a run.
   * @param facts of the network.
   * @param answers the probabilities after each step.
   * @param large, small make an element of the probabilities of one step.
   * @param same says whether two answers are the same.
   */
  show(facts, answers, large, small, same) {
    const sure = answers.map((answer) => confidence(answer, facts.class_names.length));
    this.#run = { facts, answers, large, sure, same };
    const frames = answers.map((answer, i) => {
      const title = `after step ${facts.readouts[i].step}, ${percent(sure[i], 1)} sure`;
      const frame = html("li", { title }, small(answer), html("span", {}, String(facts.readouts[i].step)));
      frame.addEventListener("click", () => {
        byId("step").value = i;
        this.#draw();
      });
      return frame;
    });
    byId("strip").replaceChildren(...frames);
    this.#draw();
  }

  #draw() {
    const threshold = Number(byId("threshold").value);
    byId("sure").value = threshold.toFixed(2);
    if (!this.#run) return;
    const { facts, answers, large, sure, same } = this.#run;
    const { readouts } = facts;
    const place = Number(byId("step").value);
    const words = `after step ${readouts[place].step} of ${readouts.at(-1).step}`;
    byId("when").value = `${words}, ${percent(sure[place], 1)} sure`;
    byId("step").setAttribute("aria-valuetext", words);
    byId("answer").replaceChildren(large(answers[place]));
    const stopped = stop(sure, threshold, readouts);
    [...byId("strip").children].forEach((frame, i) => {
      frame.classList.toggle("chosen", i === place);
      frame.classList.toggle("stop", i === stopped.place);
      frame.classList.toggle("spared", i > stopped.place);
    });
    byId("verdict").textContent = verdict(readouts, stopped, same(answers[stopped.place], answers.at(-1)));
  }
}

/** What stopping early brings, in words. */
function verdict(readouts, { place, operations, whole, spared }, same) {
  const last = readouts.at(-1).step;
  const cost = `${millions(operations)} of ${millions(whole)} million operations`;
  if (place === readouts.length - 1) {
    return spared < 0
      ? `It is not so sure before the last step: all ${last} steps, and ${percent(-spared, 2)} more operations for asking on the way.`
      : `It never stops early: all ${last} steps, ${cost}.`;
  }
  const steps = last - readouts[place].step;
  return (
    `It would stop after step ${readouts[place].step}: ${steps} of ${last} steps and ${percent(spared)} of the operations ` +
    `spared (${cost}), with ${same ? "the same answer as" : "another answer than"} after the last step.`
  );
}

const millions = (count) => (count / 1e6).toFixed(1);
