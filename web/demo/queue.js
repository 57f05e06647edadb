/**
 * One piece of work. Of one kind the latest wins: it replaces one that waits, and stops one that runs.
 * @typedef {object} Job
 * @property {string} kind
 * @property {boolean} [yields] Whether it is stopped by every other job.
 * @property {(signal: AbortSignal) => Promise<void>} work
 */

/** What a queue tells: `started` with every job, `idle` when none is left.
 * @typedef {{ started(kind: string): void, failed(error: unknown): void, idle(): void }} Watch
 */

/** Runs jobs one after another. */
export class Queue {
  #waiting = new Map();
  #running;
  #watch;

  /** @param {Watch} watch */
  constructor(watch) {
    this.#watch = watch;
  }

  get idle() {
    return !this.#running;
  }

  /** @param {Job} job */
  add(job) {
    this.#waiting.delete(job.kind);
    this.#waiting.set(job.kind, job);
    if (this.idle) this.#drain();
    else if (this.#running.job.yields || this.#running.job.kind === job.kind) this.#running.controller.abort();
  }

  /** @param {string} kind */
  stop(kind) {
    this.#waiting.delete(kind);
    if (this.#running?.job.kind === kind) this.#running.controller.abort();
  }

  async #drain() {
    for (const job of this.#waiting.values()) {
      this.#waiting.delete(job.kind);
      await this.#run(job);
    }
    this.#running = undefined;
    this.#watch.idle();
  }

  async #run(job) {
    const controller = new AbortController();
    this.#running = { job, controller };
    this.#watch.started(job.kind);
    try {
      await job.work(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) this.#watch.failed(error);
    }
  }
}
