// CPU time of a program and all that it started: what other programs take of the cores does not count.

import { readFileSync, readdirSync } from "node:fs";

// Of Linux, whatever the kernel's own ticks are.
const TICKS_A_SECOND = 100;

export class CpuClock {
  #root;
  #before;

  /** Starts now. */
  constructor(pid) {
    this.#root = pid;
    this.#before = ticks(pid);
  }

  milliseconds() {
    let sum = 0;
    for (const [pid, now] of ticks(this.#root)) sum += now - (this.#before.get(pid) ?? 0);
    return (sum / TICKS_A_SECOND) * 1000;
  }
}

/** Ticks by process, of a process and its descendants. */
function ticks(root) {
  const all = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(stat)
      .filter(Boolean),
  );
  const belongs = (pid) => pid === root || (all.has(pid) && belongs(all.get(pid).parent));
  return new Map([...all].filter(([pid]) => belongs(pid)).map(([pid, { used }]) => [pid, used]));
}

function stat(name) {
  try {
    const text = readFileSync(`/proc/${name}/stat`, "utf8");
    // The program's name, in brackets, may have spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return [Number(name), { parent: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) }];
  } catch {
    return undefined; // it has ended
  }
}
