// A network, from a file to classes.

import { Device, KERNELS, OPEN_OPTIONS } from "./device.js";
import { bytesOf } from "./download.js";
import { guarded } from "./modules.js";
import { flag, known, whole, word } from "./options.js";
import { pixels } from "./picture.js";

const SOURCE_OPTIONS = ["device", "kernel", "cache", "signal", "onProgress"];
const LAYER_OPTIONS = [...OPEN_OPTIONS, ...SOURCE_OPTIONS];
const LOAD_OPTIONS = [...LAYER_OPTIONS, "batch"];
const FIT_OPTIONS = ["resize", "stretch"];
const MOST_IMAGES = 65535;
const MOST_CLASSES = 2 ** 31 - 1;

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
    Object.freeze(Object.assign(this, about));
  }

  static async load(source, options) {
    const { batch = 1, ...rest } = known(options, LOAD_OPTIONS);
    whole("batch", batch, 1, MOST_IMAGES);
    const { bytes, keep, kernel, device, open, signal } = await prepared(source, rest);
    const asked = { bytes, batch, kernel };
    const own = () => device.parse(bytes).then((model) => make(device, model, false, asked));
    const network = await (open ? makeOnAny(device, open, asked) : own());
    if (signal?.aborted) network.free();
    signal?.throwIfAborted();
    // Only what is a network; a full disk is no reason to fail, nor to wait.
    keep?.()?.catch(() => {});
    return network;
  }

  async classify(picture, options) {
    const { top = 5, ...fit } = known(options, ["top", ...FIT_OPTIONS]);
    whole("top", top, 1, MOST_CLASSES);
    const logits = await this.run(await this.values(picture, fit));
    return JSON.parse(this.#open().model.best(logits, top));
  }

  async values(picture, fit) {
    const { resize = 0, stretch = false } = known(fit, FIT_OPTIONS);
    whole("resize", resize, 0, 2 ** 32 - 1);
    flag("stretch", stretch);
    this.#open();
    const { data, width, height } = await pixels(picture);
    return guarded(() => this.#open().model.values(data, width, height, resize, stretch));
  }

  async run(input) {
    if (!(input instanceof Float32Array)) throw new Error("the input is no Float32Array");
    const image = this.inputShape.reduce((product, size) => product * size);
    if (input.length === 0 || input.length % image > 0) {
      throw new Error(`the input has ${input.length} values: it must be whole images of ${image}`);
    }
    const size = image * this.batch;
    // What is passed is copied at once: the caller may go on to use the array.
    if (input.length <= size) return this.#use((forward) => forward.run(input));
    const [values, outputs] = [input.slice(), new Float32Array((input.length / image) * this.outputs)];
    for (let [from, to] = [0, 0]; from < values.length; from += size, to += this.batch * this.outputs) {
      outputs.set(await this.#use((forward) => forward.run(values.subarray(from, from + size))), to);
    }
    return outputs;
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
      if (this.#ownsDevice) this.device.free();
      // What a trap has left behind cannot be freed.
      guarded(() => [forward, model].forEach((part) => part?.free())).catch(() => {});
    });
  }

  async #use(run) {
    const { forward } = this.#open();
    // Called now: what it is given may change later.
    const running = guarded(() => run(forward));
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

// The file and the device, fetched and opened at the same time. `open` is there where no device was given.
async function prepared(source, { device, kernel = "auto", cache, signal, onProgress, ...open }) {
  word("kernel", kernel, KERNELS);
  const given = device === undefined ? undefined : Device.of(device);
  const [beside] = Object.keys(open);
  if (given && beside) throw new Error(`option ${beside} is of no use beside device`);
  Device.checked(open);
  const opening = given ? Promise.resolve(given) : Device.open(open);
  // Looked at below, when the file is there.
  opening.catch(() => {});
  try {
    const { bytes, keep } = await bytesOf(source, { cache, signal, onProgress });
    onProgress?.({ stage: "compile", loaded: bytes.length, total: bytes.length });
    return { bytes, keep, kernel, signal, device: await opening, open: given ? undefined : open };
  } catch (error) {
    if (!given) opening.then((opened) => opened.free()).catch(() => {});
    throw error;
  }
}

// A network that exceeds the GPU runs on the CPU, unless a GPU was asked for.
async function makeOnAny(device, open, asked) {
  try {
    // Wherever it runs, the file is the same: what is wrong with it is told at once.
    const model = await device.parse(asked.bytes);
    try {
      return await make(device, model, true, asked);
    } catch (error) {
      if (open.backend === "webgpu") throw error;
      if (device.backend === "cpu") throw device.reason ? besides(error, device.reason) : error;
      const cpu = await Device.cpu(error.message);
      const onCpu = make(cpu, await cpu.parse(asked.bytes), true, asked);
      const network = await onCpu.catch((other) => Promise.reject(besides(other, error.message)));
      device.free();
      return network;
    }
  } catch (error) {
    device.free();
    throw error;
  }
}

function besides(error, reason) {
  return new Error(`${error.message}; WebGPU: ${reason}`);
}

async function make(device, model, ownsDevice, { bytes, batch, kernel }) {
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
  const { bytes, keep, kernel, device, open } = await prepared(source, known(options, LAYER_OPTIONS));
  try {
    const ran = await device.layer(bytes, kernel);
    const { output, shape, expected, kernels } = ran;
    ran.free();
    keep?.()?.catch(() => {});
    return { output, shape: [...shape], expected, kernels };
  } finally {
    if (open) device.free();
  }
}
