import { element } from "./element.js";
import { fewer, kilobytes, milliseconds, millions, sum } from "./numbers.js";

/** The table of convolutions, each beside what it would be as a dense one. A linear layer is one, too. */
export class Layers {
  #table;
  #note;
  #layers = [];

  /** @param {HTMLTableElement} table @param {HTMLElement} note */
  constructor(table, note) {
    this.#table = table;
    this.#note = note;
  }

  /** @param {import("./filter-summary/index.js").Network} network */
  show({ layers, device }) {
    this.#layers = layers;
    this.#note.textContent =
      device.backend === "webgpu"
        ? "“Measure” above fills in the milliseconds."
        : "Milliseconds of single layers can be measured on WebGPU only.";
    this.#draw(new Map());
  }

  /** @param {import("./filter-summary/index.js").NodeTime[]} nodes */
  time(nodes) {
    const durations = new Map(nodes.map((node) => [node.name, node.milliseconds]));
    this.#draw(durations);
    const rest = sum(nodes, (node) => node.milliseconds) - sum(this.#layers, ({ name }) => durations.get(name) ?? 0);
    this.#note.textContent = `Pooling and whatever else has no weights takes ${milliseconds(rest)} ms more.`;
  }

  #draw(durations) {
    this.#table.tBodies[0].replaceChildren(...this.#layers.map((layer) => row(layer, durations.get(layer.name))));
    this.#table.tFoot.replaceChildren(totals(this.#layers, durations));
  }
}

function row(layer, duration) {
  const [height, width] = layer.kernelSize;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, layer.name),
    element("td", {}, `${layer.inputShape.join("×")} → ${layer.shape.join("×")}`),
    element("td", {}, `${height}×${width}`),
    element("td", {}, layer.algorithm),
    element("td", {}, kernels(layer)),
    ...numbers([
      kilobytes(layer.weightBytes),
      kilobytes(layer.denseBytes),
      millions(layer.multiplyAdds),
      millions(layer.denseMultiplyAdds),
      duration === undefined ? "—" : milliseconds(duration),
    ]),
  );
}

function kernels({ family, kernels: labels }) {
  if (!labels.length) return family;
  const list = element("ul", {}, ...labels.map((label) => element("li", {}, label)));
  return element("details", { title: labels.join("\n") }, element("summary", {}, family), list);
}

function totals(layers, durations) {
  const [bytes, denseBytes] = [sum(layers, (layer) => layer.weightBytes), sum(layers, (layer) => layer.denseBytes)];
  const products = sum(layers, (layer) => layer.multiplyAdds);
  const denseProducts = sum(layers, (layer) => layer.denseMultiplyAdds);
  const [weights, dense, adds, denseAdds, duration] = numbers([
    kilobytes(bytes),
    kilobytes(denseBytes),
    millions(products),
    millions(denseProducts),
    durations.size ? milliseconds(sum(layers, ({ name }) => durations.get(name) ?? 0)) : "—",
  ]);
  weights.append(element("small", {}, fewer(bytes, denseBytes)));
  adds.append(element("small", {}, fewer(products, denseProducts)));
  const head = element("th", { scope: "row", colSpan: 5 }, `All ${layers.length} layers`);
  return element("tr", {}, head, weights, dense, adds, denseAdds, duration);
}

const numbers = (texts) => texts.map((text) => element("td", { className: "number" }, text));
