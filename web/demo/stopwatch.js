import { median } from "./numbers.js";

const WARM_UP = 3;
const SAMPLES = { least: 5, most: 50, milliseconds: 800 };
const BURST = { most: 16, milliseconds: 50 };

/** Milliseconds that something takes.
 * @param {() => unknown} work */
export async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Median milliseconds of one image. On WebGPU passes are submitted many at once, so that the way to the GPU
 * and back, which is the same for all kernels, hides none of their difference.
 * @param {import("./filter-summary/index.js").Network} network
 * @param {AbortSignal} signal
 */
export async function measure(network, signal) {
  const input = noise(network);
  let single = Infinity;
  for (let run = 0; run < WARM_UP; run++) {
    single = Math.min(single, await timed(() => network.run(input)));
    await breath(signal);
  }
  const passes = Math.max(1, Math.min(BURST.most, Math.round(BURST.milliseconds / single)));
  const burst = () => (network.device.gpuDevice ? submit(network, passes) : run(network, input, passes));
  return median(await samples(burst, signal)) / passes;
}

async function samples(work, signal) {
  const taken = [];
  const end = performance.now() + SAMPLES.milliseconds;
  while (taken.length < SAMPLES.least || (taken.length < SAMPLES.most && performance.now() < end)) {
    taken.push(await timed(work));
    await breath(signal);
  }
  return taken;
}

async function submit(network, passes) {
  for (let pass = 0; pass < passes; pass++) network.submit();
  await network.device.gpuDevice.queue.onSubmittedWorkDone();
}

async function run(network, input, passes) {
  for (let pass = 0; pass < passes; pass++) await network.run(input);
}

function noise(network) {
  const [channels, height, width] = network.inputShape;
  return Float32Array.from({ length: channels * height * width }, () => Math.random() - 0.5);
}

/** Lets the page draw and take clicks, as promises alone do not. */
async function breath(signal) {
  await new Promise((resume) => setTimeout(resume));
  signal.throwIfAborted();
}
