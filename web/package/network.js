// A network, from a file to classes.

import { Device, KERNELS, OPEN_OPTIONS } from "./device.js";
import { bytesOf } from "./download.js";
import { known, whole, word } from "./options.js";
import { pixels } from "./picture.js";

const LOAD_OPTIONS = [...OPEN_OPTIONS, "device", "kernel", "batch", "cache", "signal", "onProgress"];
const FIT_OPTIONS = ["resize", "stretch"];
const MOST_IMAGES = 65535;
const LARGEST_RESIZE = 32768;

export class Network {
  #model;
  #forward;
  #ownsDevice;
  #running = new Set();

  /** @hideconstructor */
  constructor(parts, about) {
    this.#model = parts.model;
    this.#forward = parts.forward;
    this.#ownsDevice = parts.ownsDevice;
    Object.assign(this, about);
  }

  static async load(source, options) {
    const { device, kernel = "auto", batch = 1, onProgress, cache, signal, ...open } = known(options, LOAD_OPTIONS);
    word("kernel", kernel, KERNELS);
    whole("batch", batch, 1, MOST_IMAGES);
    const bytes = await bytesOf(source, { cache, signal, onProgress });
    onProgress?.({ stage: "compile", loaded: bytes.length, total: bytes.length });
    const asked = { bytes, batch, kernel };
    const network = device ? await make(Device.of(device), false, asked) : await makeOnAny(open, asked);
    if (signal?.aborted) network.free();
    signal?.throwIfAborted();
    return network;
  }

  async classify(picture, options) {
    const { top = 5, ...fit } = known(options, ["top", ...FIT_OPTIONS]);
    whole("top", top, 1, MOST_IMAGES);
    const logits = await this.run(await this.values(picture, fit));
    return JSON.parse(this.#open().model.best(logits, top));
  }

  async values(picture, fit) {
    const { resize = 0, stretch = false } = known(fit, FIT_OPTIONS);
    whole("resize", resize, 0, LARGEST_RESIZE);
    this.#open();
    const { data, width, height } = await pixels(picture);
    return this.#open().model.values(data, width, height, resize, stretch);
  }

  async run(input) {
    if (!(input instanceof Float32Array)) throw new Error("the input is no Float32Array");
    return this.#use((forward) => forward.run(input));
  }

  async profile() {
    if (this.device.backend !== "webgpu") throw new Error("only networks on WebGPU are measured node by node");
    return JSON.parse(await this.#use((forward) => forward.profile()));
  }

  get inputBuffer() {
    return this.#open().forward.input;
  }

  get outputBuffer() {
    return this.#open().forward.output;
  }

  submit() {
    if (this.device.backend !== "webgpu") throw new Error("only networks on WebGPU have buffers to run on");
    this.#open().forward.submit();
  }

  free() {
    const [model, forward] = [this.#model, this.#forward];
    this.#model = this.#forward = undefined;
    // What runs holds on to its memory.
    Promise.allSettled(this.#running).then(() => {
      forward?.free();
      model?.free();
      if (this.#ownsDevice) this.device.free();
    });
  }

  async #use(run) {
    const running = Promise.resolve(this.#open().forward).then(run);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #open() {
    if (!this.#forward) throw new Error("the network was freed");
    return { model: this.#model, forward: this.#forward };
  }
}

// A network that exceeds the GPU runs on the CPU, unless a GPU was asked for.
async function makeOnAny(open, asked) {
  const device = await Device.open(open);
  try {
    return await make(device, true, asked);
  } catch (error) {
    device.free();
    if (device.backend === "cpu" || open.backend === "webgpu") throw error;
    return make(await Device.cpu(error.message), true, asked);
  }
}

async function make(device, ownsDevice, { bytes, batch, kernel }) {
  const model = device.parse(bytes);
  try {
    const forward = await device.forward(model, batch, kernel);
    const layers = Object.freeze(JSON.parse(forward.layers()));
    const about = { ...JSON.parse(model.describe()), device, kernel, batch, layers, bytes: bytes.length };
    return new Network({ model, forward, ownsDevice }, about);
  } catch (error) {
    model.free();
    throw error;
  }
}

export async function runLayer(source, options) {
  const { device, kernel = "auto", cache, signal, onProgress, ...open } = known(options, LOAD_OPTIONS);
  word("kernel", kernel, KERNELS);
  const bytes = await bytesOf(source, { cache, signal, onProgress });
  const on = device ? Device.of(device) : await Device.open(open);
  try {
    const ran = await on.layer(bytes, kernel);
    const { output, shape, expected, kernels } = ran;
    ran.free();
    return { output, shape: [...shape], expected, kernels };
  } finally {
    if (!device) on.free();
  }
}
