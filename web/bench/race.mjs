// All contestants on one model, in turns, round after round.

import { loadavg } from "node:os";

import { contestants, referee } from "./contestants.mjs";
import { across, difference, median } from "./statistics.mjs";

/** Of the largest logit: what differs by more computes something else. */
const MOST_DIFFERENCE = 1e-3;

/** Images whose logits are compared after the first round. */
const FEW = 2;

export class Race {
  #turn;
  #server;
  #options;

  constructor(turn, server, options) {
    this.#turn = turn;
    this.#server = server;
    this.#options = options;
  }

  /** @param {{ network: string, images: string[], logits: number[][], forms: object }} twins from twin.py */
  async run(model, twins) {
    const { inputs, logits } = await this.#turn.reference(referee(model), twins.images);
    this.#server.put("/inputs", Buffer.from(Float32Array.from(inputs.flat()).buffer));
    this.#server.put("/inputs/count", String(inputs.length));
    const all = contestants(model, Object.keys(twins.forms)).map((contestant) => ({ contestant, rounds: [] }));
    const loads = [];
    const { rounds, webgpuRounds, passes } = this.#options;
    for (let round = 0; round < rounds; round++) {
      // Who goes first changes.
      for (const one of turned(all, round)) {
        if (one.failed >= 2 || (one.contestant.backend === "webgpu" && round >= webgpuRounds)) continue;
        // That numbers are equal is seen in the first round; later a few images tell that they still are.
        const checks = one.rounds.length === 0 ? inputs.length : FEW;
        const result = await this.#turn.take(one.contestant, { passes, checks });
        if (result.error) one.failed = (one.failed ?? 0) + 1;
        one.rounds.push(result);
        console.error(`${model}, round ${round + 1}: ${one.contestant.name}: ${brief(result)}`);
      }
      loads.push(loadavg()[0]);
    }
    return {
      model,
      images: twins.images.length,
      twins: twins.forms,
      referee: { difference_from_interpreter: difference(logits, twins.logits) },
      loads,
      rows: all.map(({ contestant, rounds }) => row(contestant, rounds, logits)),
    };
  }
}

function turned(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function brief({ error, first, samples, cpu }) {
  if (error) return error;
  const image = `${median(samples).toFixed(2)} ms an image, ${cpu.toFixed(2)} of CPU`;
  return `${first.toFixed(0)} ms to the first result, ${image}`;
}

function row(contestant, rounds, logits) {
  const good = rounds.filter(({ error }) => !error);
  const bad = rounds.find(({ error }) => error);
  const { name, library, backend, kernel, form } = contestant;
  const about = { name, library, backend, kernel, form, rounds: good.length, error: bad?.error };
  if (good.length === 0) return about;
  const most = Math.max(...good.map((round) => difference(round.logits, logits.slice(0, round.logits.length))));
  return {
    ...about,
    adapter: good[0].adapter,
    bytes: good[0].bytes,
    difference: most,
    equal: most < MOST_DIFFERENCE,
    first_ms: across(good.map(({ first }) => first)),
    image_ms: {
      ...across(good.map(({ samples }) => median(samples))),
      least_single: Math.min(...good.flatMap(({ samples }) => samples)),
      samples: good.reduce((sum, { samples }) => sum + samples.length, 0),
    },
    cpu_ms: across(good.map(({ cpu }) => cpu)),
    queued_ms: across(good.filter(({ queued }) => queued.length).map(({ queued }) => median(queued))),
  };
}
