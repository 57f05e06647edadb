// Dawn, Chromium's WebGPU, in Node: on whatever Vulkan finds, by default on the SwiftShader of Debian's chromium.

import { tmpdir } from "node:os";

process.env.VK_ICD_FILENAMES ??= "/usr/lib/chromium/vk_swiftshader_icd.json";
// Vulkan's loader complains without it; nothing is put there.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

// Makes Node a page for wgpu: it finds `navigator.gpu` where there is a `Window`, and looks at errors' classes.
export async function openPage() {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals, { Window: class {} });
  const gpu = create(["backend=vulkan"]);
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
}

// Node does not end as long as anything refers to Dawn.
export function closePage() {
  delete globalThis.navigator;
}
