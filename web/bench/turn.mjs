// One contestant's turn: a page of its own, so that it downloads, compiles and warms up for itself.

import { CpuClock } from "./cpu_clock.mjs";
import { sizesOf } from "./sizes.mjs";

const LONGEST = 120_000;

export class Turn {
  #browser;
  #server;

  constructor(browser, server) {
    this.#browser = browser;
    this.#server = server;
  }

  /** What page/measure.js found, and what was downloaded for it; `{ error }` where it failed. */
  async take(contestant, { passes, checks }) {
    this.#server.take();
    try {
      const found = await this.#inPage(async (call) => {
        const prepared = await call("prepare", contestant, { checks });
        const clock = new CpuClock(this.#browser.process().pid);
        const samples = await call("single");
        const cpu = clock.milliseconds() / samples.length;
        const queued = contestant.backend === "webgpu" ? await call("queued", passes) : [];
        return { ...prepared, samples, cpu, queued };
      });
      return { ...found, bytes: await this.#bytes() };
    } catch (error) {
      return { error: error.message.split("\n")[0].slice(0, 300) };
    }
  }

  reference(contestant, names) {
    return this.#inPage((call) => call("reference", contestant, names));
  }

  surroundings() {
    return this.#inPage((call) => call("surroundings"));
  }

  /** Has work done in a new page by calling its functions, and the page closed whatever becomes of it. */
  async #inPage(work) {
    const page = await this.#browser.newPage();
    const measure = async (name, ...values) => (await import("./measure.js"))[name](...values);
    const call = async (...about) => JSON.parse(await page.evaluate(measure, ...about));
    let timer;
    try {
      await page.goto(`${this.#server.address}/page/index.html`);
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no result in ${LONGEST / 1000} s`)), LONGEST);
      });
      return await Promise.race([work(call), late]);
    } finally {
      clearTimeout(timer);
      // A page whose script never ends may not close either.
      await Promise.race([page.close().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 5000))]);
    }
  }

  async #bytes() {
    const taken = this.#server.take();
    const of = (...folders) => {
      const files = taken.filter(({ path }) => folders.includes(path.split("/")[1])).map(({ file }) => file);
      return sizesOf([...new Set(files)]);
    };
    return { library: await of("filter-summary", "node_modules"), model: await of("models", "twins") };
  }
}
