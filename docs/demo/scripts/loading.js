// Networks by name, and one of them at a time in ONNX Runtime.

const page = new URL("..", import.meta.url);
// What ONNX Runtime is doing: on one thread, what it was asked to do at once would get in each other's way.
let busy = Promise.resolve();

/** What went wrong, in a sentence for the reader. */
export class Sentence extends Error {}

/** The list of networks that the build wrote. */
export async function readManifest() {
  const bytes = await download("models.json", "The list of networks", 0, () => {});
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** ONNX Runtime, loaded when the first network is. */
export class Runtime {
  #ort = null;

  constructor(facts) {
    this.facts = facts;
  }

  /**
   * Load a network.
   * @param facts of the network, from the manifest.
   * @param progress called with the share of all bytes that have come.
   * @param signal aborts the loading.
   */
  async open(facts, progress, signal) {
    const first = this.#ort ? 0 : this.facts.bytes;
    const total = first + facts.bytes;
    this.#ort ??= await this.#start((bytes) => progress(bytes / total), signal);
    const bytes = await download(facts.file, `The network ${facts.name}`, facts.bytes, (bytes) => progress((first + bytes) / total), signal);
    try {
      return new Network(facts, this.#ort, await alone(() => this.#ort.InferenceSession.create(bytes)));
    } catch (error) {
      throw new Sentence(`The network ${facts.name} could not be opened by ONNX Runtime: ${error.message}. Build the page again.`);
    }
  }

  async #start(progress, signal) {
    const wasm = await download(this.facts.wasm, "ONNX Runtime", this.facts.bytes, progress, signal);
    try {
      const ort = await import(new URL(this.facts.module, page));
      // One thread needs no headers from the host, which static ones do not set.
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmBinary = wasm;
      return ort;
    } catch (error) {
      throw new Sentence(`ONNX Runtime could not be started: ${error.message}. Use a browser of the last few years.`);
    }
  }
}

/** A network that is ready to run. */
export class Network {
  constructor(facts, ort, session) {
    Object.assign(this, { facts, ort, session });
  }

  /**
   * Run it on one image.
   * @param pixels Float32Array of 0..255, row by row, channels last.
   * @returns the logits after each step that is read out, a Float32Array each.
   */
  async run(pixels) {
    const images = new this.ort.Tensor("float32", pixels, [1, ...this.facts.input_shape]);
    const outputs = await alone(() => this.session.run({ images }));
    return this.facts.readouts.map(({ state }) => Float32Array.from(outputs[state].data));
  }

  close() {
    return alone(() => this.session.release());
  }
}

function alone(task) {
  const done = busy.then(task);
  busy = done.catch(() => {});
  return done;
}

async function download(file, what, size, progress, signal) {
  let response;
  try {
    response = await fetch(new URL(file, page), { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Sentence(`${what} could not be loaded: the server does not answer. Check the connection and load the page again.`);
  }
  if (!response.ok) {
    throw new Sentence(`${what} could not be loaded: the server answered ${response.status} for ${file}. Build the page again.`);
  }
  const parts = [];
  let received = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      // What is sent compressed has another length in its headers: the build knows the file's.
      progress(Math.min((received += value.length), size));
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Sentence(`${what} could not be loaded: the connection broke after ${received} bytes. Load the page again.`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
