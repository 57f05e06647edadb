// Filter Summary networks in browsers: on WebGPU, or on the CPU by WebAssembly. index.d.ts describes everything.

export { Device } from "./device.js";
export { Network, runLayer } from "./network.js";
