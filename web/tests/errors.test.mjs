// Whatever goes wrong arrives as an Error of one line, and nothing waits for ever.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { NAMES, inPage, launch } from "./browsers.mjs";

for (const name of NAMES) {
  describe(`errors in ${name}`, () => {
    let browser;
    before(async () => (browser = await launch(name)));
    after(() => browser?.close());

    /** The message with which a function of the package's rejects. */
    const message = (run, ...args) =>
      inPage(browser, run, ...args).then(
        () => "",
        (error) => error.message.trim(),
      );

    it("of files", async () => {
      const rows = [
        ["no such file", /\/none\.safetensors: 404/, ({ Network }) => Network.load("/none.safetensors")],
        ["a picture", /PNG/, ({ Network }) => Network.load("/samples/cat.png")],
        ["nothing", /empty|0 bytes|header/, ({ Network }) => Network.load(new Uint8Array())],
        ["no source", /the source is 7/, ({ Network }) => Network.load(7)],
        ["another server", /http:\/\/localhost:1\//, ({ Network }) => Network.load("http://localhost:1/")],
        [
          "half of a file",
          /^(?!.*unreachable)./,
          async ({ Network }) => {
            const whole = await (await fetch("/models/air-base-c-8bit.safetensors")).arrayBuffer();
            await Network.load(whole.slice(0, whole.byteLength / 2));
          },
        ],
        ["a layer for a network", /format/, ({ Network }) => Network.load("/tests/conv/tap_order.safetensors")],
      ];
      for (const [about, want, run] of rows) assert.match(await message(run), want, about);
    });

    it("of what is asked for", async () => {
      const file = "/tests/networks/resnet.safetensors";
      const load = (options) => message(({ Network }, file, options) => Network.load(file, options), file, options);
      assert.match(await load({ onprogress: 1 }), /option onprogress is not known/);
      assert.match(await load({ kernel: "fast" }), /kernel is fast: it must be auto, /);
      assert.match(await load({ backend: "cpu", kernel: "gather" }), /kernel gather cannot run this problem/);
      assert.match(await load({ batch: 0 }), /batch is 0: it must be a whole number/);
      assert.match(await load({ device: {} }), /device is no Device/);
      const run = (input) =>
        message(
          async ({ Network }, file, input) => {
            const network = await Network.load(file, { backend: "cpu" });
            await network.run(Array.isArray(input) ? Float32Array.from(input) : input);
          },
          file,
          input,
        );
      assert.match(await run([1, 2, 3]), /the input has 3 values: it must be whole images of /);
      assert.match(await run("x"), /the input is no Float32Array/);
      const classify = (options) =>
        message(async ({ Network }, options) => {
          const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend: "cpu" });
          await network.classify(new ImageData(8, 8), options);
        }, options);
      assert.match(await classify({ top: 0 }), /top is 0/);
      assert.match(await classify({ resize: 8 }), /resize is 8: the network takes 32x32/);
      assert.match(
        await message(async ({ Network }) => {
          const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend: "cpu" });
          await network.classify(new Blob(["no picture"]));
        }),
        /the picture cannot be decoded/,
      );
    });

    it("after freeing", async () => {
      const rows = await inPage(browser, async ({ Device, Network }) => {
        const device = await Device.open({ backend: "webgpu", software: true });
        const network = await Network.load("/tests/networks/resnet.safetensors", { device });
        const image = new Float32Array(network.inputShape.reduce((product, size) => product * size));
        const under = network.run(image);
        network.free();
        network.free();
        const told = async (run) =>
          run().then(
            () => "",
            (error) => error.message,
          );
        const rows = [(await under).length > 0 ? "ended" : "", await told(() => network.run(image))];
        device.free();
        rows.push(await told(() => Network.load("/tests/networks/resnet.safetensors", { device })));
        return rows;
      });
      assert.deepEqual(rows, ["ended", "the network was freed", "the device was freed"]);
    });

    it("without an adapter, and the CPU takes over where it may", async () => {
      const { told, taken } = await inPage(browser, async ({ Network }) => {
        Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });
        const file = "/tests/networks/resnet.safetensors";
        const taken = await Network.load(file);
        const told = await Network.load(file, { backend: "webgpu" }).then(
          () => "",
          (error) => error.message,
        );
        return { told, taken: [taken.device.backend, taken.device.reason] };
      });
      assert.equal(told, "the browser has no WebGPU adapter");
      assert.deepEqual(taken, ["cpu", "the browser has no WebGPU adapter"]);
    });

    it("without WebGPU", async () => {
      const taken = await inPage(browser, async ({ Device }) => {
        Object.defineProperty(navigator, "gpu", { value: undefined });
        const { backend, reason } = await Device.open();
        return [backend, reason];
      });
      assert.deepEqual(taken, ["cpu", "the browser has no WebGPU"]);
    });

    it("with a software adapter only", async () => {
      const taken = await inPage(browser, async ({ Device }) => {
        const { backend, reason } = await Device.open();
        return [backend, reason];
      });
      assert.deepEqual(taken, ["cpu", "the browser's WebGPU adapter is software"]);
    });

    it("of a device lost in the middle", async () => {
      const rows = await inPage(browser, async ({ Device, Network }) => {
        const device = await Device.open({ backend: "webgpu", software: true });
        const file = "/tests/networks/resnet.safetensors";
        const network = await Network.load(file, { device });
        const image = new Float32Array(network.inputShape.reduce((product, size) => product * size));
        const told = async (run) =>
          run().then(
            () => "",
            (error) => error.message,
          );
        const under = told(() => network.run(image));
        device.gpuDevice.destroy();
        await device.lost;
        return [await under, await told(() => network.run(image)), await told(() => Network.load(file, { device }))];
      });
      // What was under way may have ended before.
      assert.match(rows[0], /^$|lost|cannot be read/);
      for (const row of rows.slice(1)) assert.match(row, /the WebGPU device was lost/);
    });

    it("of a kernel that does not compile", async () => {
      const told = await message(({ Network }) => {
        const create = GPUDevice.prototype.createShaderModule;
        GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
          return create.call(this, { ...rest, code: code.replace("@compute", "let broken = ; @compute") });
        };
        const options = { backend: "webgpu", software: true };
        return Network.load("/tests/networks/resnet.safetensors", options);
      });
      assert.match(told, /fs_\w+/);
      assert.match(told, /error|expected/i);
    });

    it("of a pipeline that cannot be made", async () => {
      const told = await message(({ Network }) => {
        const create = GPUDevice.prototype.createComputePipeline;
        GPUDevice.prototype.createComputePipeline = function (descriptor) {
          const compute = { ...descriptor.compute, entryPoint: "absent" };
          return create.call(this, { ...descriptor, compute });
        };
        const options = { backend: "webgpu", software: true };
        return Network.load("/tests/networks/resnet.safetensors", options);
      });
      assert.match(told, /absent|entry point/i);
    });

    it("out of memory", async () => {
      const told = await message(({ Network }) => {
        // More than any adapter has is refused by the same scope.
        const create = GPUDevice.prototype.createBuffer;
        GPUDevice.prototype.createBuffer = function (descriptor) {
          const size = descriptor.label === "fs_input" ? this.limits.maxBufferSize * 4 : descriptor.size;
          return create.call(this, { ...descriptor, size });
        };
        const options = { backend: "webgpu", software: true };
        return Network.load("/tests/networks/resnet.safetensors", options);
      });
      assert.match(told, /fs_input/);
      assert.match(
        await message(({ Network }) =>
          Network.load("/models/air-base-c-8bit.safetensors", { backend: "webgpu", software: true, batch: 65535 }),
        ),
        /the device's max/,
      );
    });

    it("of what is too large, and the CPU goes on", async () => {
      const { told, after } = await inPage(browser, async ({ Network }) => {
        const told = {};
        const tell = async (what, run) => run().catch((error) => (told[what] = error.message));
        const network = await Network.load("/models/air-base-c-8bit.safetensors", { backend: "cpu" });
        await tell("resize", () => network.classify(new ImageData(50, 60), { resize: 32768 }));
        await tell("input", () => network.run(new Float32Array(2 ** 28)));
        await tell("file", () => Network.load(new Uint8Array(2 ** 30 + 1), { backend: "cpu" }));
        return { told, after: (await network.classify(new ImageData(32, 32))).length };
      });
      assert.match(told.resize, /^resize is 32768: the picture would have more than 67108864 pixels/);
      assert.match(told.input, /^the input has 268435456 values: it must be whole images of 3072$/);
      assert.match(told.file, /^the file has 1073741825 bytes: at most 1073741824 are read$/);
      assert.equal(after, 5);
    });

    it("of what memory does not hold, on the CPU", async () => {
      const told = await message(async ({ Network }) => {
        // A file of a kilobyte that is a network of gigabytes: one that its author did not mean well.
        const up = (name) => ({ name, op: "upsample_nearest2d", input: "input", scale_factor: [4096, 4096] });
        const nodes = ["a", "b", "c", "d", "e"].map(up);
        const sum = (name, inputs) => ({ name, op: "add", inputs });
        nodes.push(
          sum("ab", ["a", "b"]),
          sum("cd", ["c", "d"]),
          sum("abcd", ["ab", "cd"]),
          sum("all", ["abcd", "e"]),
        );
        const graph = { input: { channels: 1, height: 4, width: 4 }, nodes, output: "all" };
        const metadata = { format: "filter-summary", format_version: "1", graph: JSON.stringify(graph) };
        const header = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata }));
        const file = new Uint8Array(8 + header.length);
        new DataView(file.buffer).setUint32(0, header.length, true);
        file.set(header, 8);
        const network = await Network.load(file, { backend: "cpu" });
        await network.run(new Float32Array(16)).finally(() => network.free());
      });
      assert.match(told, /^(out of memory, or a fault of this package: |node |metadata graph)/);
      assert.ok(!told.includes("\n"));
    });

    it("of options that contradict each other", async () => {
      const told = await inPage(browser, async ({ Device, Network, runLayer }) => {
        const device = await Device.open({ backend: "cpu" });
        const file = "/tests/networks/resnet.safetensors";
        const tell = (run) =>
          run.then(
            () => "",
            (error) => error.message,
          );
        return [
          await tell(Network.load(file, { device, backend: "webgpu" })),
          await tell(Network.load(file, { device: 0 })),
          await tell(Network.load(file, { software: "yes" })),
          await tell(Network.load(file, { backend: "gpu" })),
          await tell(Network.load(file, { kernel: "gather" })),
          await tell(runLayer("/tests/conv/tap_order.safetensors", { device, batch: 7 })),
        ];
      });
      const want = [
        /^option backend is of no use beside device$/,
        /^device is no Device/,
        /^software is yes: it must be true or false$/,
        /^backend is gpu: it must be auto, webgpu, cpu$/,
        /kernel gather cannot run this problem.*; WebGPU: the browser's WebGPU adapter is software$/,
        /^option batch is not known/,
      ];
      for (const [i, pattern] of want.entries()) assert.match(told[i], pattern);
    });

    it("of a download that is given up in the middle", async () => {
      const { told, cancelled } = await inPage(browser, async ({ Network }) => {
        let cancelled = false;
        const endless = new ReadableStream({
          pull: (stream) =>
            new Promise((resolve) => setTimeout(() => resolve(stream.enqueue(new Uint8Array(9))), 20)),
          cancel: () => void (cancelled = true),
        });
        const signal = AbortSignal.timeout(200);
        const told = await Network.load(new Response(endless), { signal, backend: "cpu" }).catch(({ name }) => name);
        return { told, cancelled };
      });
      assert.deepEqual([told, cancelled], ["TimeoutError", true]);
    });

    it("of a download that is given up", async () => {
      const told = await message(({ Network }) =>
        Network.load("/models/air-base-c-8bit.safetensors", { signal: AbortSignal.abort(new Error("given up")) }),
      );
      assert.match(told, /given up/);
    });
  });
}
