// What happens in the page of one contestant.

// Software adapters take a second an image: each of these ends by number or by time.
const WARM_UP = { least: 1, most: 10, milliseconds: 500 };
const SAMPLES = { least: 5, most: 400, milliseconds: 1500 };
const BURSTS = { least: 1, most: 5, milliseconds: 1500 };

/** Everything about a contestant in this page, as JSON: results of several kinds cross from browser to browser so. */
export async function measure(contestant, { passes, checks }) {
  const inputs = await images();
  const start = performance.now();
  const { open } = await import(`./${contestant.library}.js`);
  const opened = await open(contestant);
  await opened.run(inputs[0]);
  const first = performance.now() - start;
  const logits = [];
  for (const input of inputs.slice(0, checks)) logits.push([...(await opened.run(input))]);
  const one = (turn) => opened.run(inputs[turn % inputs.length]);
  await times(WARM_UP, one);
  const samples = await times(SAMPLES, one);
  // On the CPU there is no queue.
  const burst = Array.from({ length: passes }, (_, pass) => inputs[pass % inputs.length]);
  const bursts = contestant.backend === "webgpu" ? await times(BURSTS, () => opened.queued(burst)) : [];
  const queued = bursts.map((milliseconds) => milliseconds / passes);
  opened.free();
  return JSON.stringify({ first, logits, samples, queued, adapter: opened.adapter });
}

/** The floats that everybody gets, and what ours on the CPU makes of them. */
export async function reference(contestant, names) {
  const { open } = await import("./ours.js");
  const opened = await open(contestant);
  const [inputs, logits] = [[], []];
  for (const name of names) {
    const picture = await fetch(`/images/${name}`).then((response) => response.blob());
    const values = await opened.values(picture);
    inputs.push([...values]);
    logits.push([...(await opened.run(values))]);
  }
  opened.free();
  return JSON.stringify({ inputs, logits });
}

/** The WebGPU adapter and the browser, as the page sees them. */
export async function surroundings() {
  const adapter = await navigator.gpu?.requestAdapter();
  const { vendor, architecture, device, description } = adapter?.info ?? {};
  const info = adapter ? { vendor, architecture, device, description } : undefined;
  return JSON.stringify({ userAgent: navigator.userAgent, isolated: globalThis.crossOriginIsolated, adapter: info });
}

async function images() {
  const all = new Float32Array(await fetch("/inputs").then((response) => response.arrayBuffer()));
  const count = Number(await fetch("/inputs/count").then((response) => response.text()));
  const size = all.length / count;
  return Array.from({ length: count }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Milliseconds that something takes, again and again. */
async function times({ least, most, milliseconds }, work) {
  const samples = [];
  const end = performance.now() + milliseconds;
  while (samples.length < least || (samples.length < most && performance.now() < end)) {
    const start = performance.now();
    await work(samples.length);
    samples.push(performance.now() - start);
  }
  return samples;
}
