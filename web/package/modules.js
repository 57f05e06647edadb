// The two WebAssembly modules, each downloaded when it is first needed.

async function start(module, address) {
  // Node, in which the package is tested, reads no files with fetch.
  const fs = address.protocol === "file:" ? globalThis.process?.getBuiltinModule?.("node:fs/promises") : undefined;
  const source = fs ? fs.readFile(address) : address;
  await module.default({ module_or_path: await source });
  return module;
}

// What failed is tried again by the next to ask.
function once(make) {
  let made;
  return () => {
    made ??= make().catch((error) => {
      made = undefined;
      throw new Error(`the package's WebAssembly cannot be loaded: ${error.message}`);
    });
    return made;
  };
}

export const gpuModule = once(async () =>
  start(await import("./wasm/gpu.js"), new URL("./wasm/gpu_bg.wasm", import.meta.url)),
);

export const cpuModule = once(async () =>
  start(await import("./wasm/cpu.js"), new URL("./wasm/cpu_bg.wasm", import.meta.url)),
);

/** Calls into a module. Where its memory ends WebAssembly traps: then that is the error. */
export async function guarded(call) {
  try {
    return await call();
  } catch (error) {
    const isTrap = error instanceof WebAssembly.RuntimeError || /^panicked/.test(error?.message);
    if (!isTrap && !(error instanceof RangeError)) throw error;
    throw new Error(`out of memory, or a fault of this package: ${error.message.split(/\s+/).join(" ")}`);
  }
}
