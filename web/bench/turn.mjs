// One contestant's turn: a page of its own, so that it downloads, compiles and warms up for itself.

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
  async take(contestant, options) {
    this.#server.take();
    try {
      const found = await this.#inPage((page) =>
        page.evaluate(
          async (...about) => (await import("./measure.js")).measure(...about),
          contestant,
          options,
        ),
      );
      return { ...found, bytes: await this.#bytes() };
    } catch (error) {
      return { error: error.message.split("\n")[0].slice(0, 300) };
    }
  }

  reference(contestant, names) {
    return this.#inPage((page) =>
      page.evaluate(async (...about) => (await import("./measure.js")).reference(...about), contestant, names),
    );
  }

  surroundings() {
    return this.#inPage((page) => page.evaluate(async () => (await import("./measure.js")).surroundings()));
  }

  /** Has work done in a new page, and the page closed whatever becomes of it. */
  async #inPage(work) {
    const page = await this.#browser.newPage();
    let timer;
    try {
      await page.goto(`${this.#server.address}/page/index.html`);
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no result in ${LONGEST / 1000} s`)), LONGEST);
      });
      return JSON.parse(await Promise.race([work(page), late]));
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
