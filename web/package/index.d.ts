/** Filter Summary networks in browsers: on WebGPU, or on the CPU by WebAssembly. */

/** What runs a network. */
export type Backend = "webgpu" | "cpu";

/** How convolutions are computed: `auto` is what is expected to be fastest. The CPU has `auto`, `shared`, `dense`. */
export type Kernel = "auto" | "shared" | "gather" | "dense" | "fused";

/** Where a model comes from: an address, or the file itself. */
export type Source = string | URL | Request | Response | Blob | ArrayBuffer | ArrayBufferView;

/** A picture: whatever a canvas can draw, the bytes of an image file among them. */
export type Picture = Blob | ImageData | CanvasImageSource;

export interface Progress {
  /** `download`: bytes of the model; `compile`: the kernels, of which nothing is counted. */
  stage: "download" | "compile";
  /** Bytes that have arrived. */
  loaded: number;
  /** Bytes of the whole file, where the server told. */
  total?: number;
}

export interface OpenOptions {
  /** `auto`, the default: WebGPU on a GPU, else the CPU, and `Device.reason` says why. The others fail instead. */
  backend?: "auto" | Backend | undefined;
  powerPreference?: "high-performance" | "low-power" | undefined;
  /** Takes WebGPU adapters that are software, too, which are slower than this package on the CPU. Default false. */
  software?: boolean | undefined;
}

export interface LoadOptions extends OpenOptions {
  /** A device that was opened before, instead of options to open one: several networks may share it. It stays open
   * when they are freed. */
  device?: Device | undefined;
  kernel?: Kernel | undefined;
  /** Most images of one forward pass: 1 by default. More can be given, and run batch by batch. */
  batch?: number | undefined;
  /** Keeps the file in the browser's cache of this name, and looks there first. For addresses only. */
  cache?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?(progress: Progress): void;
}

/** How a picture gets the size of a network's input, as `fsnet` does it. */
export interface Fit {
  /** Resize to this many pixels (the shorter side of the input grows to it) and cut off the margins; 0 for none. */
  resize?: number | undefined;
  /** Resize both sides to the input's, whatever the proportions. By default the centre is taken. */
  stretch?: boolean | undefined;
}

export interface Guess {
  label: string;
  /** 0 to 1. */
  probability: number;
  /** Of the class, from 0. */
  index: number;
}

/** What a layer is, and how it is computed. */
export interface Layer {
  name: string;
  /** Channels, height, width of its output. */
  shape: [number, number, number];
  /** Channels, height, width of its input. */
  inputShape: [number, number, number];
  /** Height and width of its filters. */
  kernelSize: [number, number];
  algorithm: Exclude<Kernel, "auto">;
  /** The kernels' family, and their labels; on the CPU `cpu` and none. */
  family: string;
  kernels: string[];
  /** Bytes that the weights take in the device's memory, and would as dense f32. The CPU keeps all as f32. */
  weightBytes: number;
  denseBytes: number;
  /** Of a forward pass of a batch; `dense` is what a plain convolution needs. */
  multiplyAdds: number;
  denseMultiplyAdds: number;
}

/** Milliseconds of one node of the network for one batch. */
export interface NodeTime {
  name: string;
  milliseconds: number;
}

/** An adapter with a device on it, or the CPU. */
export class Device {
  private constructor();
  static open(options?: OpenOptions): Promise<Device>;
  readonly backend: Backend;
  /** The adapter's name as far as the browser tells; `CPU`. */
  readonly name: string;
  /** Why it is not WebGPU, where that was wanted or left open. */
  readonly reason?: string;
  /** The limits that kernels are chosen by; empty on the CPU. */
  readonly limits: Readonly<Record<string, number>>;
  /** The kernels that it has. */
  readonly kernels: readonly Kernel[];
  /** Resolves with the browser's reason when the device is lost: freed, or taken away. */
  readonly lost: Promise<string>;
  /** The package's own WebGPU device, for buffers and passes beside it; `undefined` on the CPU. */
  readonly gpuDevice?: GPUDevice;
  /** Loses a WebGPU device: whatever uses it fails from then on. */
  free(): void;
}

export class Network {
  private constructor();
  /** Fetches, checks, plans and compiles. Throws an `Error` of one line. */
  static load(source: Source, options?: LoadOptions): Promise<Network>;
  readonly device: Device;
  readonly kernel: Kernel;
  /** Names of the classes; empty where the file has none. */
  readonly labels: readonly string[];
  /** Channels, height, width. */
  readonly inputShape: readonly [number, number, number];
  /** Values of one result. */
  readonly outputs: number;
  readonly batch: number;
  readonly parameters: number;
  /** Bytes of the file. */
  readonly bytes: number;
  /** The file's other metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Its convolutions, in order. */
  readonly layers: readonly Layer[];

  /** The most probable classes of a picture, best first; 5 unless told. */
  classify(picture: Picture, options?: Fit & { top?: number }): Promise<Guess[]>;
  /** The input that a picture becomes: `[C, H, W]`. */
  values(picture: Picture, fit?: Fit): Promise<Float32Array>;
  /** `[N, C, H, W]` to `[N, outputs]`, any number of images. */
  run(input: Float32Array): Promise<Float32Array>;
  /** How long every node takes, measured by running each many times: takes seconds. On WebGPU only. */
  profile(): Promise<NodeTime[]>;

  /** The network's own buffers, `[batch, C, H, W]` and `[batch, outputs]` f32, on `device.gpuDevice`: copy to the first
   * on the GPU, `submit`, copy from the second. `undefined` on the CPU. */
  readonly inputBuffer?: GPUBuffer;
  readonly outputBuffer?: GPUBuffer;
  /** A forward pass on these buffers, of a whole batch; tells nothing back. On WebGPU only. */
  submit(): void;
  /** Lets go of the network's memory on the device, when what runs has ended, and of its own for other networks:
   * WebAssembly gives nothing back to the browser. What is under way in several steps fails. */
  free(): void;
}

/** One layer with its input in a file, as `fsnet conv` runs it: the output `[N, O, OH, OW]`, and what the file
 * expected, where it does. */
export function runLayer(
  source: Source,
  options?: Omit<LoadOptions, "batch">,
): Promise<{ output: Float32Array; shape: number[]; expected?: Float32Array; kernels: string[] }>;
