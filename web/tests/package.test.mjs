// The package as npm makes it: installed into an empty project, checked by TypeScript, bundled by Vite, and run.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { createServer, preview } from "vite";

import { PACKAGE, launch } from "./browsers.mjs";

const HERE = import.meta.dirname;
const ROOT = path.join(HERE, "../..");

const SOURCE = `import { Device, Network, runLayer, type Guess, type Layer } from "filter-summary";

async function main(image: ImageBitmap | Blob | HTMLVideoElement): Promise<Guess> {
  const network = await Network.load("model.safetensors", {
    kernel: "auto",
    onProgress: ({ stage, loaded, total = 0 }) => console.log(stage, loaded / total),
  });
  const { label, probability, index }: Guess = (await network.classify(image))[0]!;
  const logits: Float32Array = await network.run(new Float32Array(network.inputShape.reduce((a, b) => a * b)));
  const first: Layer = network.layers[0]!;
  const buffer: GPUBuffer | undefined = network.inputBuffer;
  console.log(label, probability.toFixed(3), index, logits.length, first.kernels.join(), buffer?.size);
  network.free();
  return { label, probability, index };
}

export async function layer(file: ArrayBuffer): Promise<Float32Array> {
  const device: Device = await Device.open({ backend: "cpu" });
  return (await runLayer(file, { device })).output;
}

const picture = await (await fetch("picture.png")).blob();
main(picture).then(
  ({ label }) => (document.title = label),
  (error: Error) => (document.title = error.message),
);
`;

/** What the compiler must refuse. */
const WRONG = `import { Network } from "filter-summary";
await Network.load("model.safetensors", { kernel: "fast" });
`;

describe("the package", () => {
  let project, browser;
  const run = (program, ...args) => {
    try {
      return execFileSync(program, args, { cwd: project, encoding: "utf8", stdio: "pipe" });
    } catch ({ stdout, stderr }) {
      throw new Error(`${path.basename(program)}: ${stdout}${stderr}`.slice(0, 2000));
    }
  };
  const tool = (name) => path.join(HERE, "node_modules/.bin", name);
  before(async () => {
    browser = await launch("chromium");
    project = fs.mkdtempSync(path.join(os.tmpdir(), "filter-summary-"));
    const packed = run("npm", "pack", "--silent", PACKAGE).trim().split("\n").pop();
    fs.writeFileSync(path.join(project, "package.json"), '{ "private": true, "type": "module" }');
    run("npm", "install", "--offline", "--no-audit", "--no-fund", `./${packed}`);
    fs.mkdirSync(path.join(project, "public"));
    fs.copyFileSync(
      path.join(ROOT, "models/air-base-c-8bit.safetensors"),
      path.join(project, "public/model.safetensors"),
    );
    fs.copyFileSync(path.join(ROOT, "models/images/frog.png"), path.join(project, "public/picture.png"));
    fs.writeFileSync(path.join(project, "main.ts"), SOURCE);
    fs.writeFileSync(
      path.join(project, "index.html"),
      '<!doctype html><script type="module" src="/main.ts"></script>',
    );
  });
  after(async () => {
    await browser?.close();
    fs.rmSync(project, { recursive: true, force: true });
  });

  it("has what it needs and no more", () => {
    const folder = path.join(project, "node_modules/filter-summary");
    const files = fs.readdirSync(folder, { recursive: true }).sort();
    for (const file of [
      "index.js",
      "index.d.ts",
      "README.md",
      "LICENSE-MIT",
      "wasm/gpu_bg.wasm",
      "wasm/cpu_bg.wasm",
    ]) {
      assert.ok(files.includes(file), file);
    }
    assert.ok(!files.some((file) => /test|demo|node_modules/.test(file)), files.join());
  });

  it("is typed, strictly", () => {
    fs.writeFileSync(path.join(project, "wrong.ts"), WRONG);
    const check = (file) => {
      const strict = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noEmit"];
      const modern = [
        "--target",
        "es2022",
        "--lib",
        "es2023,dom",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
      ];
      run(tool("tsc"), ...strict, ...modern, file);
    };
    check("main.ts");
    assert.throws(() => check("wrong.ts"), /"fast"/);
  });

  it("is bundled by Vite, and runs", async () => {
    run(tool("vite"), "build", "--logLevel", "warn");
    const server = await preview({ root: project, logLevel: "silent", preview: { port: 0, host: "localhost" } });
    try {
      assert.equal(await titleOf(browser, server.resolvedUrls.local[0]), "frog");
    } finally {
      await server.close();
    }
  });

  it("is served by Vite as it lies there, and runs", async () => {
    // Before Vite 8 its development server moves packages, and leaves behind what they load by `import.meta.url`.
    const optimizeDeps = { exclude: ["filter-summary"] };
    const listen = { port: 0, host: "localhost" };
    const server = await createServer({ root: project, logLevel: "silent", server: listen, optimizeDeps });
    try {
      await server.listen();
      assert.equal(await titleOf(browser, server.resolvedUrls.local[0]), "frog");
    } finally {
      await server.close();
    }
  });
});

/** What a page calls itself in the end. */
async function titleOf(browser, address) {
  const page = await browser.newPage();
  await page.goto(address);
  await page.waitForFunction(() => document.title !== "", { timeout: 60_000 });
  const title = await page.title();
  await page.close();
  return title;
}
