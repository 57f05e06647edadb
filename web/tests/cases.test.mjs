// The table of cases on Dawn: outputs are exactly the reference's. Nearly all of the time Dawn compiles kernels.
// FS_BROWSER_CASES is the folder with the bindings of web/cases: cases.js and cases_bg.wasm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { closePage, openPage } from "./dawn.mjs";

async function load(folder) {
  const module = await import(pathToFileURL(join(folder, "cases.js")));
  await module.default({ module_or_path: await readFile(join(folder, "cases_bg.wasm")) });
  return module;
}

// What is wrong with a run, as no message or one.
async function check(runs, index) {
  try {
    await runs.check(index);
    return [];
  } catch (error) {
    return [`${runs.name(index)}: ${error}`];
  }
}

before(openPage);
after(closePage);

test("every run is exact", async (context) => {
  const folder = process.env.FS_BROWSER_CASES;
  assert.ok(folder, "FS_BROWSER_CASES names no folder");
  const { Runs } = await load(folder);
  const runs = await Runs.open();
  const failures = [];
  for (let index = 0; index < runs.count; index++) {
    failures.push(...(await check(runs, index)));
  }
  context.diagnostic(`${runs.count} runs`);
  runs.free();
  assert.equal(failures.length, 0, `${failures.length} runs failed:\n${failures.join("\n")}`);
});
