// The demonstration, used as a person would: a sample, a picture dropped, another kernel, everything measured.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { NAMES, PACKAGE, launch, open } from "./browsers.mjs";

const SCREENS = path.join(PACKAGE, "../screens");
const MOST = { timeout: 60_000 };

/** Waits for a result of a picture, and returns its first guess. */
async function guessOf(page, caption) {
  await page.waitForFunction(
    (caption) =>
      document.body.dataset.state === "ready" && document.querySelector("#caption").textContent.includes(caption),
    MOST,
    caption,
  );
  return page.$eval("#guesses li", ({ dataset }) => ({
    label: dataset.label,
    probability: Number(dataset.probability),
  }));
}

const ready = (page) => page.waitForFunction(() => document.body.dataset.state === "ready", MOST);

async function choose(page, name, value) {
  await page.$eval(`input[name=${name}][value=${value}]`, (radio) => radio.click());
  await page.waitForFunction(
    (name, value) =>
      document.body.dataset.state === "ready" &&
      document.querySelector(`input[name=${name}]:checked`).value === value,
    MOST,
    name,
    value,
  );
}

for (const name of NAMES) {
  describe(`the demonstration in ${name}`, () => {
    let browser, page;
    before(async () => {
      fs.mkdirSync(SCREENS, { recursive: true });
      browser = await launch(name);
      page = await open(browser, "/index.html");
      await page.setViewport({ width: 1280, height: 900 });
      await ready(page);
    });
    after(() => browser?.close());
    const screen = (what) => page.screenshot({ path: path.join(SCREENS, `${name}-${what}.png`), fullPage: true });

    it("runs on the CPU where the adapter is software, and says so", async () => {
      assert.match(await page.$eval("#device", ({ textContent }) => textContent), /CPU/);
      assert.match(await page.$eval("body", ({ textContent }) => textContent), /adapter is software/i);
    });

    it("classifies a sample", async () => {
      await page.click("[data-sample=cat]");
      const { label, probability } = await guessOf(page, "cat");
      assert.ok(label === "cat" && probability > 0.9, `${label} ${probability}`);
    });

    it("classifies a picture that is dropped", async () => {
      await page.evaluate(async () => {
        const blob = await (await fetch("/samples/ship.png")).blob();
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([blob], "dropped.png", { type: "image/png" }));
        for (const kind of ["dragenter", "dragover", "drop"]) {
          const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
          document.querySelector("#drop").dispatchEvent(event);
        }
      });
      assert.equal((await guessOf(page, "dropped.png")).label, "ship");
    });

    it("tells what is no picture, and goes on", async () => {
      await (await page.$("#file")).uploadFile(path.join(import.meta.dirname, "package.json"));
      const alert = () => document.querySelector("#status [role=alert]").textContent;
      await page.waitForFunction(alert, MOST);
      assert.match(await page.evaluate(alert), /not a picture/);
      await page.click("[data-sample=frog]");
      assert.equal((await guessOf(page, "frog")).label, "frog");
    });

    it("switches kernels, and shows what they need", async () => {
      const columns = () => page.$$eval("#layers tbody tr", (rows) => rows.map(({ textContent }) => textContent));
      await choose(page, "kernel", "shared");
      const shared = await columns();
      await choose(page, "kernel", "dense");
      const dense = await columns();
      assert.equal(shared.length, dense.length);
      assert.ok(shared.length > 5 && shared.join() !== dense.join());
      assert.equal((await guessOf(page, "frog")).label, "frog");
      await choose(page, "kernel", "auto");
    });

    it("measures kernels on the CPU", async () => {
      await page.click("#measure");
      await page.waitForFunction(() => document.body.dataset.state !== "ready", MOST);
      await ready(page);
      const rows = await page.$$eval("#compare tbody tr", (rows) => rows.map(({ textContent }) => textContent));
      assert.ok(rows.filter((text) => /\d\.\d+|\d ms/.test(text)).length >= 3, rows.join("\n"));
      await screen("cpu");
    });

    it("runs on WebGPU when it is told to, on a small screen in the dark", async () => {
      await page.emulateMediaFeatures?.([{ name: "prefers-color-scheme", value: "dark" }]).catch(() => {});
      await page.setViewport({ width: 320, height: 700 });
      await page.goto(page.url().replace(/\?.*|$/, "?software=1"));
      await ready(page);
      assert.match(await page.$eval("#device", ({ textContent }) => textContent), /WebGPU/);
      await page.click("[data-sample=truck]");
      assert.equal((await guessOf(page, "truck")).label, "truck");
      await choose(page, "kernel", "gather");
      assert.equal((await guessOf(page, "truck")).label, "truck");
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} pixels too wide`);
      await screen("webgpu-small");
    });

    it("had no faults", () => assert.deepEqual(page.faults, []));
  });
}
