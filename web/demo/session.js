import { Device, Network } from "./filter-summary/index.js";

const MODEL = "./models/air-base-c-8bit.safetensors";

/** The kernels that the page has buttons for, of those that a device has.
 * @param {Device} device */
export function kernelsOf(device) {
  return device.kernels.filter((kernel) => ["auto", "shared", "gather", "dense"].includes(kernel));
}

/**
 * @typedef {object} Choice
 * @property {"auto" | import("./filter-summary/index.js").Backend} backend
 * @property {import("./filter-summary/index.js").Kernel} kernel
 * @property {boolean} software Whether a software adapter for WebGPU will do.
 */

/** One device, one network on it, and the model's file to make others of. */
export class Session {
  /** @type {Device | undefined} */
  device;
  /** @type {Network | undefined} */
  network;
  /** Why there is no WebGPU, if there is none. @type {string | undefined} */
  missing;
  /** Whether the device was allowed to be software. */
  software = false;
  #file;

  /** Opens and loads what is chosen. What was there stays where that fails.
   * @param {Choice} choice @param {import("./filter-summary/index.js").LoadOptions} options */
  async use({ backend, kernel, software }, options) {
    const device = await this.#open(backend, software);
    try {
      options.signal.throwIfAborted();
      const possible = kernelsOf(device).includes(kernel);
      this.#take(device, await this.#load({ ...options, device, kernel: possible ? kernel : "auto" }));
      this.software = software;
    } catch (error) {
      if (device !== this.device) device.free();
      throw error;
    }
  }

  /** Has work done on a network with this kernel, which may exist no longer than that.
   * @template T @param {import("./filter-summary/index.js").Kernel} kernel @param {AbortSignal} signal
   * @param {(network: Network) => Promise<T>} work */
  async withKernel(kernel, signal, work) {
    if (!this.network) throw new Error("The device was lost. The next picture opens it again.");
    if (kernel === this.network.kernel) return work(this.network);
    const network = await this.#load({ device: this.device, kernel, signal });
    try {
      return await work(network);
    } finally {
      network.free();
    }
  }

  async #open(backend, software) {
    if (this.device?.backend === backend && this.software === software) return this.device;
    const device = await Device.open({ backend, software });
    if (backend === "auto") this.missing = device.backend === "cpu" ? device.reason : undefined;
    // Drivers restart, laptops change GPUs: whatever is wanted next then opens a device anew.
    device.gpuDevice?.lost.then(() => this.#forget(device));
    return device;
  }

  async #load(options) {
    if (this.#file) return Network.load(this.#file, options);
    const response = await fetch(MODEL, { signal: options.signal });
    if (!response.ok) throw new Error(`The model did not arrive: ${response.status} ${response.statusText}`);
    const copy = response.clone();
    const [network, file] = await Promise.all([Network.load(response, options), copy.blob()]);
    this.#file = file;
    return network;
  }

  #take(device, network) {
    this.network?.free();
    if (device !== this.device) this.device?.free();
    this.device = device;
    this.network = network;
  }

  #forget(device) {
    if (device !== this.device) return;
    this.#take(undefined, undefined);
  }
}
