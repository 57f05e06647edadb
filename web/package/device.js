// What networks run on.

import { cpuModule, gpuModule, guarded } from "./modules.js";
import { flag, known, word } from "./options.js";

export const KERNELS = Object.freeze(["auto", "shared", "gather", "dense", "fused"]);
export const OPEN_OPTIONS = ["backend", "powerPreference", "software"];

export class Device {
  #module;
  #handle;

  /** @hideconstructor */
  constructor(module, handle, about) {
    this.#module = module;
    this.#handle = handle;
    Object.freeze(Object.assign(this, about));
  }

  static async open(options) {
    const { backend, powerPreference, software } = Device.checked(options);
    if (backend === "cpu") return Device.cpu();
    try {
      return await openGpu(powerPreference, software);
    } catch (error) {
      if (backend === "webgpu") throw error;
      return Device.cpu(error.message);
    }
  }

  /** @package Refuses options that `open` does not have. */
  static checked(options) {
    const { backend = "auto", powerPreference = "high-performance", software = false } = known(options, OPEN_OPTIONS);
    word("backend", backend, ["auto", "webgpu", "cpu"]);
    word("powerPreference", powerPreference, ["high-performance", "low-power"]);
    flag("software", software);
    return { backend, powerPreference, software };
  }

  /** @package */
  static async cpu(reason) {
    const module = await cpuModule();
    const [limits, kernels] = [Object.freeze({}), Object.freeze(["auto", "shared", "dense"])];
    // A CPU is never lost.
    const lost = new Promise(() => {});
    return new Device(module, undefined, { backend: "cpu", name: "CPU", reason, limits, kernels, lost });
  }

  /** @package */
  static of(device) {
    if (!(device instanceof Device)) throw new Error("device is no Device: Device.open makes them");
    return device;
  }

  get gpuDevice() {
    return this.#handle?.handle;
  }

  /** @package Parses a network's file. */
  parse(bytes) {
    return guarded(() => new this.#module.Model(bytes));
  }

  /** @package Makes a parsed network ready to run. */
  forward(model, batch, kernel) {
    const module = this.#module;
    return guarded(() =>
      this.backend === "cpu"
        ? new module.CpuForward(model, batch, kernel)
        : module.GpuForward.load(this.#open(), model, batch, kernel),
    );
  }

  /** @package Runs a layer's file. */
  layer(bytes, kernel) {
    const module = this.#module;
    return guarded(() =>
      this.backend === "cpu" ? module.runLayerOnCpu(bytes, kernel) : module.runLayer(this.#open(), bytes, kernel),
    );
  }

  free() {
    // Its memory goes when nothing refers to it any more: a network that is being loaded does.
    this.#handle?.destroy();
    this.#handle = undefined;
  }

  #open() {
    if (!this.#handle) throw new Error("the device was freed");
    return this.#handle;
  }
}

async function openGpu(powerPreference, software) {
  if (!globalThis.navigator?.gpu) {
    const insecure = globalThis.isSecureContext === false ? ": it has it on https and localhost only" : "";
    throw new Error(`the browser has no WebGPU${insecure}`);
  }
  // Asked before the module is downloaded, which asks again: it may be of no use.
  const adapter = await navigator.gpu.requestAdapter({ powerPreference });
  if (!adapter) throw new Error("the browser has no WebGPU adapter");
  if (!software && adapter.info?.isFallbackAdapter) throw new Error("the browser's WebGPU adapter is software");
  const module = await gpuModule();
  const handle = await module.GpuDevice.open(powerPreference === "low-power", software);
  const { name, limits } = JSON.parse(handle.describe());
  const lost = handle.handle.lost.then(({ message }) => message);
  return new Device(module, handle, {
    backend: "webgpu",
    name,
    limits: Object.freeze(limits),
    kernels: KERNELS,
    lost,
  });
}
