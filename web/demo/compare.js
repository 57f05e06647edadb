import { bar, element } from "./element.js";
import { fewer, kilobytes, milliseconds, millions, sum, times } from "./numbers.js";

/** The table that sets kernels side by side. */
export class Comparison {
  #body;
  #rows = new Map();
  #current;

  /** @param {HTMLTableElement} table */
  constructor(table) {
    this.#body = table.tBodies[0];
  }

  /** Starts anew, as figures of one device say nothing of another.
   * @param {string[]} kernels */
  reset(kernels) {
    this.#rows = new Map(kernels.map((kernel) => [kernel, {}]));
    this.#draw();
  }

  /** Marks the kernel that classifies pictures.
   * @param {import("./filter-summary/index.js").Network} network */
  choose(network) {
    this.#current = network.kernel;
    this.add(network);
  }

  /** @param {import("./filter-summary/index.js").Network} network @param {number} [duration] Milliseconds an image. */
  add({ kernel, layers }, duration) {
    const row = this.#rows.get(kernel);
    row.layers = layers;
    row.duration = duration ?? row.duration;
    this.#draw();
  }

  /** What the measurement came to, in a sentence. */
  finding() {
    const [auto, dense] = ["auto", "dense"].map((kernel) => this.#rows.get(kernel).duration);
    const took = `auto takes ${milliseconds(auto)} ms an image, dense ${milliseconds(dense)} ms`;
    const ratio = dense / auto;
    return ratio > 1.05 ? `Measured: ${took}, ${times(ratio)} as long.` : `Measured: ${took}.`;
  }

  #draw() {
    const slowest = Math.max(...[...this.#rows.values()].map(({ duration }) => duration ?? 0));
    this.#body.replaceChildren(...[...this.#rows].map(([kernel, row]) => this.#row(kernel, row, slowest)));
  }

  #row(kernel, { layers, duration }, slowest) {
    return element(
      "tr",
      { "data-kernel": kernel, "aria-current": kernel === this.#current ? "true" : undefined },
      element("th", { scope: "row" }, kernel),
      durationCell(duration, slowest),
      amountCell(
        layers,
        millions,
        ({ multiplyAdds }) => multiplyAdds,
        ({ denseMultiplyAdds }) => denseMultiplyAdds,
      ),
      amountCell(
        layers,
        kilobytes,
        ({ weightBytes }) => weightBytes,
        ({ denseBytes }) => denseBytes,
      ),
    );
  }
}

function durationCell(duration, slowest) {
  if (duration === undefined) return element("td", { className: "number" }, "—");
  const number = element("span", { className: "number" }, milliseconds(duration));
  return element("td", { className: "duration" }, number, bar(duration / slowest));
}

function amountCell(layers, format, amount, dense) {
  if (!layers) return element("td", { className: "number" }, "—");
  const total = sum(layers, amount);
  const factor = element("small", {}, fewer(total, sum(layers, dense)));
  return element("td", { className: "number" }, format(total), factor);
}
