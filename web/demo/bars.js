import { bar, element } from "./element.js";
import { milliseconds, percent } from "./numbers.js";

/** The answer: the best class in large type, the five best as bars, and how long they took. */
export class Bars {
  #list;
  #verdict;
  #time;

  /** @param {{ list: HTMLElement, verdict: HTMLElement, time: HTMLElement }} places */
  constructor({ list, verdict, time }) {
    this.#list = list;
    this.#verdict = verdict;
    this.#time = time;
  }

  /** @param {import("./filter-summary/index.js").Guess[]} guesses @param {number} duration Milliseconds. */
  show(guesses, duration) {
    this.#list.replaceChildren(...guesses.map(item));
    this.#time.textContent = `${milliseconds(duration)} ms`;
    // Read aloud when it changes, which for a camera is not at every frame.
    const best = guesses[0].label;
    if (this.#verdict.textContent !== best) this.#verdict.textContent = best;
  }
}

function item({ label, probability }) {
  return element(
    "li",
    { "data-label": label, "data-probability": probability },
    element("span", { className: "label" }, label),
    bar(probability),
    element("span", { className: "number" }, percent(probability)),
  );
}
