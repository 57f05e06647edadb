import { kilobytes, sentence } from "./numbers.js";

/** The line that says what the page does, its progress bar, and the page's state for style and tests. */
export class Status {
  #text;
  #count;
  #error;
  #bar;

  /** @param {HTMLElement} region */
  constructor(region) {
    this.#text = region.querySelector("[data-test=text]");
    this.#count = region.querySelector("[data-test=count]");
    this.#error = region.querySelector("[role=alert]");
    this.#bar = region.querySelector("progress");
  }

  /** @param {string} text */
  say(text) {
    this.#show(text, "");
    this.#bar.hidden = true;
  }

  /** @param {string} text @param {number} [fraction] How much is done, 0 to 1, where that is known. */
  work(text, fraction) {
    this.#show(text, "");
    this.#bar.hidden = false;
    if (fraction === undefined) this.#bar.removeAttribute("value");
    else this.#bar.value = fraction;
  }

  /** @param {import("./filter-summary/index.js").Progress} progress */
  load({ stage, loaded, total }) {
    if (stage === "compile") return this.work("Compiling kernels …");
    this.work("Loading the model …", total && loaded / total);
    this.#count.textContent = total ? `${kilobytes(loaded)} of ${kilobytes(total)} kB` : `${kilobytes(loaded)} kB`;
  }

  /** @param {unknown} error */
  failed(error) {
    const [message] = (error instanceof Error ? error.message : String(error)).split("\n", 1);
    this.say("");
    this.#error.textContent = sentence(message || "something failed, and did not say what");
    document.body.dataset.state = "error";
  }

  /** Takes an error away, which stays until someone does something new. */
  clear() {
    this.#error.textContent = "";
  }

  /** @param {string} kind */
  started(kind) {
    document.body.dataset.state = kind === "network" ? "loading" : "busy";
  }

  idle() {
    document.body.dataset.state = this.#error.textContent ? "error" : "ready";
  }

  #show(text, count) {
    // Text that is set again is read aloud again.
    if (this.#text.textContent !== text) this.#text.textContent = text;
    this.#count.textContent = count;
  }
}
