import { sentence } from "./numbers.js";
import { kernelsOf } from "./session.js";

const CPU_LACKS = "The gather kernels are for WebGPU only.";

/** The radio buttons of kernels and backends, and the box for software adapters. */
export class Choices {
  #form;
  #note;

  /** @param {HTMLFormElement} form @param {HTMLElement} note
   * @param {(choice: import("./session.js").Choice) => void} chosen */
  constructor(form, note, chosen) {
    this.#form = form;
    this.#note = note;
    form.elements.software.checked = new URLSearchParams(location.search).get("software") === "1";
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => chosen(this.#choice(target.name === "software")));
  }

  /** What is chosen; until there is a device that is any. */
  get choice() {
    return this.#choice(false);
  }

  /** Shows what a session has, and what it could have.
   * @param {import("./session.js").Session} session */
  show({ device, network, missing, software }) {
    if (!network) return;
    const { backend, kernel } = this.#form.elements;
    this.#form.elements.software.checked = software;
    backend.value = device.backend;
    kernel.value = network.kernel;
    const possible = kernelsOf(device);
    for (const radio of kernel) allow(radio, possible.includes(radio.value) ? "" : CPU_LACKS);
    const lacks = missing ? sentence(`No WebGPU: ${missing}`) : "";
    for (const radio of backend) allow(radio, radio.value === "webgpu" ? lacks : "");
    this.#note.textContent = [lacks, possible.includes("gather") ? "" : CPU_LACKS].filter(Boolean).join(" ");
  }

  #choice(anyBackend) {
    const { backend, kernel, software } = this.#form.elements;
    const asked = anyBackend ? "auto" : backend.value || "auto";
    return { backend: asked, kernel: kernel.value, software: software.checked };
  }
}

/** A disabled button shows no title of its own: its label does. */
function allow(radio, reason) {
  radio.disabled = reason !== "";
  radio.title = radio.closest("label").title = reason;
}
