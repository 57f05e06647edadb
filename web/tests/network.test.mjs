// Networks and layers in browsers: right on WebGPU and on the CPU, wherever they come from.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";

import { NAMES, call, inPage, launch, open } from "./browsers.mjs";

const ROOT = new URL("../../", import.meta.url);
const files = (folder) => fs.readdirSync(new URL(folder, ROOT)).sort();
const NETWORKS = files("tests/data/networks");
const LAYERS = files("tests/data/conv");
const SAMPLES = files("models/images");
const BACKENDS = ["webgpu", "cpu"];

/** What fsnet says of pictures, which its own tests hold it to: their best classes by file name. */
const FSNET = JSON.parse(fs.readFileSync(new URL("classified.json", import.meta.url), "utf8"));

function assertAlike(got, want, tolerance, about) {
  assert.deepEqual(
    got.map(({ label }) => label),
    want.map(({ label }) => label),
    about,
  );
  for (const [i, { probability }] of want.entries()) {
    assert.ok(
      Math.abs(got[i].probability - probability) <= tolerance,
      `${about}: ${got[i].probability}, ${probability}`,
    );
  }
}

for (const name of NAMES) {
  describe(`networks in ${name}`, () => {
    let browser;
    before(async () => (browser = await launch(name)));
    after(() => browser?.close());

    it("compute what PyTorch does, of every kind, with every kernel", async () => {
      const rows = await inPage(
        browser,
        async ({ Device, Network }, networks, backends) => {
          const rows = [];
          for (const backend of backends) {
            const device = await Device.open({ backend, software: true });
            for (const file of networks) {
              for (const kernel of backend === "cpu" ? ["auto"] : ["auto", "shared"]) {
                const network = await Network.load(`/tests/networks/${file}`, { device, kernel });
                const values = network.inputShape.reduce((product, size) => product * size);
                const integers = network.metadata.image === "integers";
                const value = (index) => (integers ? (index % 5) - 2 : (index % 255) / 127 - 1);
                const image = Float32Array.from({ length: values }, (_, i) => value(7919 * i + 13));
                const [got, want] = [await network.run(image), JSON.parse(network.metadata.expected)];
                const most = Math.max(...want.map(Math.abs));
                const worst = Math.max(...want.map((value, i) => Math.abs(value - got[i])));
                rows.push({ backend, file, kernel, integers, length: got.length - want.length, error: worst / most });
                network.free();
              }
            }
            device.free();
          }
          return rows;
        },
        NETWORKS,
        BACKENDS,
      );
      assert.equal(rows.length, 3 * NETWORKS.length);
      // Ten to twenty layers round to f32, as in the native test; integers are exact.
      for (const row of rows) {
        assert.ok(row.length === 0 && row.error <= (row.integers ? 0 : 2e-5), JSON.stringify(row));
      }
      assert.equal(rows.filter(({ integers }) => integers).length, 3);
    });

    it("run layers of files, with every algorithm that has them", async () => {
      const rows = await inPage(
        browser,
        async ({ Device, runLayer }, layers, backends, some) => {
          const rows = [];
          for (const backend of backends) {
            const device = await Device.open({ backend, software: true });
            for (const file of layers) {
              for (const kernel of device.kernels.filter((kernel) => !some || some.includes(kernel))) {
                try {
                  const { output, expected } = await runLayer(`/tests/conv/${file}`, { device, kernel });
                  const most = Math.max(...expected.map(Math.abs));
                  const worst = Math.max(...expected.map((value, i) => Math.abs(value - output[i])));
                  rows.push({ backend, file, kernel, error: worst / most });
                } catch (error) {
                  rows.push({ backend, file, kernel, refused: error.message });
                }
              }
            }
            device.free();
          }
          return rows;
        },
        LAYERS,
        BACKENDS,
        // SwiftShader compiles for a minute otherwise; Dawn, which is Chromium's WebGPU, runs all in cases.test.mjs.
        name === "chromium" ? ["auto", "shared"] : null,
      );
      for (const row of rows) {
        // Products go through a base stage, or the window is not 1-D: some kernels say that they cannot.
        if (row.refused) assert.match(row.refused, /cannot run this problem/, JSON.stringify(row));
        else assert.ok(row.error <= 1e-5, JSON.stringify(row));
        assert.ok(!row.refused || row.kernel !== "auto", JSON.stringify(row));
      }
      assert.ok(rows.filter(({ refused }) => !refused).length > 3 * LAYERS.length);
    });

    it("classify pictures as fsnet does", async () => {
      for (const backend of BACKENDS) {
        const got = await inPage(
          browser,
          async ({ Network }, samples, backend) => {
            const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend, software: true });
            const guesses = {};
            for (const file of samples) {
              guesses[file] = await network.classify(await (await fetch(`/samples/${file}`)).blob());
            }
            network.free();
            return guesses;
          },
          SAMPLES,
          backend,
        );
        for (const file of SAMPLES) assertAlike(got[file], FSNET[file], 1e-5, `${backend} ${file}`);
      }
    });

    it("crop and resize pictures as fsnet does, whatever they are given as", async () => {
      const got = await inPage(browser, async ({ Network }) => {
        const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend: "cpu" });
        const blob = await (await fetch("/tests/wide.png")).blob();
        const image = new Image();
        image.src = "/tests/wide.png";
        const bitmap = await createImageBitmap(blob);
        const canvas = Object.assign(document.createElement("canvas"), {
          width: bitmap.width,
          height: bitmap.height,
        });
        const context = canvas.getContext("2d");
        context.drawImage(bitmap, 0, 0);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
        const results = [];
        for (const picture of [blob, image, bitmap, canvas, pixels]) results.push(await network.classify(picture));
        const photo = await (await fetch("/tests/progressive.jpg")).blob();
        return { results, jpeg: await network.classify(photo, { top: 1 }) };
      });
      assert.equal(got.results.length, 5);
      for (const result of got.results) assertAlike(result, FSNET["wide.png"], 1e-5, "wide.png");
      // Two decoders of JPEG may differ by a level or two.
      assertAlike(got.jpeg, FSNET["progressive.jpg"].slice(0, 1), 0.02, "progressive.jpg");
    });

    it("run any number of images, in batches, and several networks on a device", async () => {
      const differences = await inPage(browser, async ({ Device, Network }) => {
        const device = await Device.open({ backend: "webgpu", software: true });
        const file = "/tests/networks/resnet.safetensors";
        const [single, paired] = [
          await Network.load(file, { device }),
          await Network.load(file, { device, batch: 2 }),
        ];
        const values = single.inputShape.reduce((product, size) => product * size);
        const images = Float32Array.from({ length: 5 * values }, (_, i) => Math.sin(i));
        // At the same time, too.
        const [alone, together, again] = await Promise.all([
          single.run(images),
          paired.run(images),
          paired.run(images),
        ]);
        single.free();
        const after = await paired.run(images);
        return [together, again, after].map((other) => Math.max(...other.map((x, i) => Math.abs(x - alone[i]))));
      });
      for (const difference of differences) assert.ok(difference <= 1e-5, String(differences));
    });

    it("work on buffers that stay on the GPU", async () => {
      const difference = await inPage(browser, async ({ Network }) => {
        const network = await Network.load("/tests/networks/resnet.safetensors", {
          backend: "webgpu",
          software: true,
        });
        const values = network.inputShape.reduce((product, size) => product * size);
        const image = Float32Array.from({ length: values }, (_, i) => Math.sin(i));
        const want = await network.run(image);
        const device = network.device.gpuDevice;
        const mine = device.createBuffer({
          size: 4 * values,
          usage: GPUBufferUsage.COPY_SRC,
          mappedAtCreation: true,
        });
        new Float32Array(mine.getMappedRange()).set(image);
        mine.unmap();
        await network.run(new Float32Array(values));
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(mine, 0, network.inputBuffer, 0, 4 * values);
        device.queue.submit([encoder.finish()]);
        network.submit();
        const size = 4 * network.outputs;
        const staging = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
        const copy = device.createCommandEncoder();
        copy.copyBufferToBuffer(network.outputBuffer, 0, staging, 0, size);
        device.queue.submit([copy.finish()]);
        await staging.mapAsync(GPUMapMode.READ);
        const got = new Float32Array(staging.getMappedRange());
        return Math.max(...want.map((value, i) => Math.abs(value - got[i])));
      });
      assert.equal(difference, 0);
    });

    it("take the three lines of the README", async () => {
      const page = await open(browser, "/tests/plain.html");
      await page.waitForFunction(() => document.getElementById("label").textContent !== "", { timeout: 60_000 });
      const text = await page.$eval("#label", (label) => label.textContent);
      const title = await page.title();
      await page.close();
      assert.match(text, /^cat 0\.9/);
      assert.equal(title, `${fs.statSync(new URL("models/air-base-c-8bit.safetensors", ROOT)).size} bytes`);
    });

    it("run in workers", async () => {
      const answers = await inPage(browser, async () => {
        const picture = await (await fetch("/samples/ship.png")).blob();
        const ask = (options) =>
          new Promise((resolve) => {
            const worker = new Worker("/tests/worker.js", { type: "module" });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => resolve({ error: message });
            worker.postMessage({ picture, options });
          });
        return [await ask({ backend: "cpu" }), await ask({ backend: "webgpu", software: true })];
      });
      assert.deepEqual(
        answers.map(({ backend }) => backend),
        ["cpu", "webgpu"],
        JSON.stringify(answers),
      );
      for (const { guesses } of answers) assert.equal(guesses[0].label, "ship");
    });

    it("keep files in the browser's cache", async () => {
      const { fetched, again, told } = await inPage(browser, async ({ Network }) => {
        const told = [];
        const options = { backend: "cpu", cache: "tests", onProgress: (progress) => told.push(progress) };
        const file = "/models/air-base-c-8bit.safetensors";
        await caches.delete("tests");
        const load = async () => {
          performance.clearResourceTimings();
          (await Network.load(file, options)).free();
          return performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(file)).length;
        };
        const fetched = await load();
        // Nobody waits for it to be kept.
        while (!(await caches.match(file))) await new Promise((resolve) => setTimeout(resolve, 10));
        return { fetched, again: await load(), told };
      });
      assert.deepEqual([fetched, again], [1, 0]);
      assert.ok(
        told.some(({ loaded, total }) => loaded > 0 && loaded === total),
        JSON.stringify(told),
      );
    });

    it("keep only networks in the cache", async () => {
      const kept = await inPage(browser, async ({ Network }) => {
        await caches.delete("pages");
        const options = { backend: "cpu", cache: "pages" };
        await Network.load("/tests/blank.html", options).catch(() => {});
        await Network.load("/tests/networks/resnet.safetensors", options);
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await (await caches.open("pages")).keys()).map(({ url }) => url.split("/").pop());
      });
      assert.deepEqual(kept, ["resnet.safetensors"]);
    });

    it("take inputs as they are when run is called, and pictures of any kind", async () => {
      const { changed, float, lazy } = await inPage(browser, async ({ Network }) => {
        const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend: "cpu" });
        const input = Float32Array.from({ length: 3 * 3072 }, (_, i) => Math.sin(i));
        const want = await network.run(input);
        const running = network.run(input);
        input.fill(0);
        const changed = (await running).some((value, i) => value !== want[i]);
        const white = new ImageData(new Uint8ClampedArray(4 * 1024).fill(255), 32);
        let float = true;
        try {
          const halves = new ImageData(32, 32, { pixelFormat: "rgba-float16" });
          if (!(halves.data instanceof Uint8ClampedArray)) {
            halves.data.fill(1);
            float = (await network.values(halves))[0] === (await network.values(white))[0];
          }
        } catch {
          // Not every browser has such pictures.
        }
        const image = new Image();
        image.loading = "lazy";
        image.src = "/samples/cat.png";
        return { changed, float, lazy: (await network.classify(image))[0].label };
      });
      assert.deepEqual([changed, float, lazy], [false, true, "cat"]);
    });

    it("tell of a whole batch, wherever they run", async () => {
      const rows = await inPage(
        browser,
        async ({ Network }, backends) => {
          const rows = [];
          for (const backend of backends) {
            const options = { backend, software: true, batch: 4, kernel: "dense" };
            const { layers } = await Network.load("/tests/networks/resnet.safetensors", options);
            rows.push(layers.map(({ multiplyAdds, denseMultiplyAdds }) => [multiplyAdds, denseMultiplyAdds]));
          }
          return rows;
        },
        BACKENDS,
      );
      assert.deepEqual(rows[0], rows[1]);
      for (const [own, dense] of rows[0]) assert.equal(own, dense);
    });

    it("leave the page alive while kernels are compiled", async () => {
      const ticks = await inPage(browser, async ({ Network }) => {
        let ticks = 0;
        const timer = setInterval(() => (ticks += 1), 1);
        const device = { backend: "webgpu", software: true };
        let before = 0;
        const onProgress = ({ stage }) => (before = stage === "compile" ? ticks : before);
        await Network.load("/models/air-base-c-8bit.safetensors", { ...device, onProgress });
        clearInterval(timer);
        return ticks - before;
      });
      // A kernel each, at least.
      assert.ok(ticks >= 10, String(ticks));
    });

    it("measure every node", async () => {
      const { names, times } = await inPage(browser, async ({ Network }) => {
        const network = await Network.load("/tests/networks/resnet.safetensors", {
          backend: "webgpu",
          software: true,
        });
        return { names: network.layers.map(({ name }) => name), times: await network.profile() };
      });
      for (const layer of names)
        assert.ok(
          times.some(({ name }) => name === layer),
          layer,
        );
      assert.ok(
        times.some(({ milliseconds }) => milliseconds > 0),
        JSON.stringify(times),
      );
    });

    it("do not grow in 1,000 runs", async () => {
      const page = await open(browser);
      const sizes = await call(page, async ({ Network }) => {
        const [gpu, cpu] = await Promise.all(["gpu", "cpu"].map((name) => import(`/filter-summary/wasm/${name}.js`)));
        const bytes = async () =>
          (await Promise.all([gpu.default(), cpu.default()])).map((m) => m.memory.buffer.byteLength);
        let buffers = 0;
        const create = GPUDevice.prototype.createBuffer;
        GPUDevice.prototype.createBuffer = function (descriptor) {
          buffers += 1;
          return create.call(this, descriptor);
        };
        const file = "/tests/networks/resnet.safetensors";
        const networks = [
          await Network.load(file, { backend: "webgpu", software: true }),
          await Network.load(file, { backend: "cpu" }),
        ];
        const image = new Float32Array(networks[0].inputShape.reduce((product, size) => product * size));
        const runs = async (network, count) => {
          // As many at a time as a busy page has: Firefox looks at what has ended ten times a second.
          for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, () => network.run(image)));
        };
        for (const network of networks) await runs(network, 100);
        const [before, made] = [await bytes(), buffers];
        for (const network of networks) await runs(network, 1000);
        return { before, after: await bytes(), made: buffers - made };
      });
      await page.close();
      assert.deepEqual(sizes.after, sizes.before);
      assert.equal(sizes.made, 0);
    });
  });
}
