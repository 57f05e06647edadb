// What happens in the page of one contestant.

// Software adapters take a second an image: each of these ends by number or by time.
const WARM_UP = { least: 1, most: 10, milliseconds: 500 };
const SAMPLES = { least: 5, most: 2000, milliseconds: 1500 };
const BURSTS = { least: 1, most: 5, milliseconds: 1500 };

let running;

/** Opens a contestant and warms it up. Results are JSON: everything crosses from every browser so. */
export async function prepare(contestant, { checks }) {
  const inputs = await images();
  const start = performance.now();
  const { open } = await import(`./${contestant.library}.js`);
  const opened = await open(contestant);
  await opened.run(inputs[0]);
  const first = performance.now() - start;
  const logits = [];
  for (const input of inputs.slice(0, checks)) logits.push([...(await opened.run(input))]);
  running = { opened, inputs };
  await times(WARM_UP, one);
  return JSON.stringify({ first, logits, adapter: opened.adapter });
}

/** Milliseconds of single images. */
export async function single() {
  return JSON.stringify(await times(SAMPLES, one));
}

/** Milliseconds an image where so many forward passes are queued before one result is read. */
export async function queued(passes) {
  const { opened, inputs } = running;
  const burst = Array.from({ length: passes }, (_, pass) => inputs[pass % inputs.length]);
  const bursts = await times(BURSTS, () => opened.queued(burst));
  return JSON.stringify(bursts.map((milliseconds) => milliseconds / passes));
}

function one(turn) {
  const { opened, inputs } = running;
  return opened.run(inputs[turn % inputs.length]);
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
