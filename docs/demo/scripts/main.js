// Choose a network, give it a picture or a grid, and show what it answers.

import { classBars, gridAnswer, smallBars, smallGrid } from "./answers.js";
import { byId, html } from "./elements.js";
import { GridEditor } from "./grid.js";
import { Runtime, Sentence, readManifest } from "./loading.js";
import { toPixels, truePath } from "./paths.js";
import { see, watchPictures } from "./pictures.js";
import { likeliest, probabilities } from "./readings.js";
import { SharingView } from "./sharing.js";
import { StepView } from "./steps.js";

// The first grid is the same for everyone.
const SEED = 71;

let manifest, runtime, steps, sharing, editor;
// What is shown: the network, by its facts and once it is loaded, and the last picture and grid.
let chosen = null;
let network = null;
let picture = null;
let grid = null;
let loading = new AbortController();
// Whether a run goes on, and whether another one was asked for meanwhile.
let running = false;
let again = false;

async function start() {
  manifest = await readManifest();
  runtime = new Runtime(manifest.runtime);
  steps = new StepView();
  sharing = new SharingView(manifest.thresholds);
  byId("versions").textContent = `recurzoo ${manifest.version}, run by ${manifest.runtime.name} (Microsoft, MIT license).`;
  for (const [label, kind] of [["Pictures", isOfPictures], ["Shortest paths", (facts) => !isOfPictures(facts)]]) {
    const options = manifest.networks.filter(kind).map(({ name }) => html("option", { value: name }, name));
    byId("network").append(html("optgroup", { label }, ...options));
  }
  byId("network").addEventListener("change", ({ target }) => (location.hash = target.value));
  addEventListener("hashchange", () => choose().catch(report));
  editor = new GridEditor(manifest.grids, (drawn) => {
    grid = drawn;
    run();
  });
  watchPictures((error, taken) => {
    // A picture that can be read is no answer to a network that could not.
    if (error || network) report(error);
    if (taken) picture = taken;
    run();
  });
  await choose();
}

/** Load the network that the address names, or else the first. */
async function choose() {
  const name = decodeURIComponent(location.hash.slice(1));
  const facts = manifest.networks.find((known) => known.name === name) ?? manifest.networks[0];
  chosen = facts;
  byId("network").value = facts.name;
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  report(null);
  network?.close();
  network = null;
  describe(facts);
  steps.reset(facts);
  sharing.show(facts);
  byId("pictures").hidden = !isOfPictures(facts);
  byId("paths").hidden = isOfPictures(facts);
  if (!isOfPictures(facts) && grid?.size !== facts.input_shape[0]) editor.another(facts.input_shape[0], seeded(SEED));
  const progress = byId("progress");
  progress.hidden = false;
  progress.value = 0;
  byId("loading").textContent = `Loading ${facts.name}`;
  run();
  try {
    const opened = await runtime.open(facts, (share) => (progress.value = share), signal);
    if (signal.aborted) return opened.close();
    network = opened;
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  } finally {
    if (!signal.aborted) {
      progress.hidden = true;
      byId("loading").textContent = "";
    }
  }
  run();
}

/** Run the network on what is shown; once more if that changes meanwhile. */
async function run() {
  again = true;
  if (running) return;
  running = true;
  byId("answer").ariaBusy = true;
  try {
    while (again) {
      again = false;
      await runOnce();
    }
  } catch (error) {
    report(error);
  } finally {
    running = false;
    byId("answer").ariaBusy = false;
  }
}

async function runOnce() {
  const [facts, now, drawn] = [chosen, network, grid];
  if (!facts || (isOfPictures(facts) && !picture)) return;
  const pixels = isOfPictures(facts) ? see(picture, facts.input_shape) : toPixels(drawn);
  if (!now) return;
  const answers = (await now.run(pixels)).map((logits) => probabilities(logits, facts.class_names.length));
  if (now !== network) return;
  if (isOfPictures(facts)) {
    const same = (one, other) => likeliest(one) === likeliest(other);
    steps.show(facts, answers, (answer) => classBars(facts.class_names, answer), smallBars, same);
  } else {
    const truth = truePath(drawn);
    const same = (one, other) => one.every((p, cell) => p > 0.5 === other[cell] > 0.5);
    steps.show(facts, answers, (answer) => gridAnswer(drawn, truth, answer), (answer) => smallGrid(drawn, answer), same);
  }
}

/** A network that answers for cells has but one class, which it gives each of them. */
function isOfPictures({ class_names }) {
  return class_names.length > 1;
}

function describe({ parameters, bytes, score, sharing, paper }) {
  const words = [`${parameters.toLocaleString("en")} parameters in ${(bytes / 1e6).toFixed(2)} MB`, ...(score ? [score] : [])];
  const source = html("cite", {}, paper.url ? html("a", { href: paper.url, rel: "noreferrer" }, paper.title) : paper.title);
  byId("facts").replaceChildren(`${words.join("; ")}. Sharing is ${sharing}. From `, source, `, ${paper.year}.`);
}

/** Show an error as a sentence, or that there is none. */
function report(error) {
  byId("error").hidden = !error;
  byId("error").textContent = !error || error instanceof Sentence ? (error?.message ?? "") : `Something went wrong: ${error.message}. Load the page again.`;
}

/** Random numbers in 0..1 that are the same each time (mulberry32). */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

start().catch(report);
