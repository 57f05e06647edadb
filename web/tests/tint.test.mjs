// Every variant that browsers get, through Tint, Chromium's compiler of WGSL: no error and no warning.
// FS_BROWSER_TEXTS is the folder of texts that `cargo test --lib variants_of_browsers_as_texts` has written.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { create } from "webgpu";

// Dawn without a GPU: it compiles and validates, and runs nothing. Held here, because devices do not hold it.
const gpu = create(["backend=null"]);

async function openDevice() {
  const adapter = await gpu.requestAdapter();
  return adapter.requestDevice({ requiredFeatures: ["shader-f16"] });
}

async function textsIn(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".wgsl")).sort();
  assert.notEqual(names.length, 0, `no text of a shader in ${folder}`);
  return names;
}

async function complaints(device, name, code) {
  const { messages } = await device.createShaderModule({ label: name, code }).getCompilationInfo();
  return messages.map(({ type, lineNum, message }) => `${name}:${lineNum}: ${type}: ${message}`);
}

test("Tint takes every text", async (context) => {
  const folder = process.env.FS_BROWSER_TEXTS;
  assert.ok(folder, "FS_BROWSER_TEXTS names no folder");
  const names = await textsIn(folder);
  const device = await openDevice();
  const all = [];
  for (const name of names) {
    all.push(...(await complaints(device, name, await readFile(join(folder, name), "utf8"))));
  }
  device.destroy();
  context.diagnostic(`${names.length} texts`);
  assert.equal(all.length, 0, `${all.length} complaints:\n${all.join("\n")}`);
});
