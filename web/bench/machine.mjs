// Where this runs.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cpus, getPriority, totalmem, type, release } from "node:os";

export function machine() {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name) => info.match(new RegExp(`^${name}\\s*: (.*)$`, "m"))?.[1];
  const cpu = `${cpus()[0].model} (family ${field("cpu family")}, model ${field("model")})`;
  const memory = Math.round(totalmem() / 2 ** 30);
  return { cpu, cores: cpus().length, memory_gb: memory, system: `${type()} ${release()}`, node: process.version };
}

/** The start of a file's SHA-256. */
export function fingerprint(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12);
}

/** How much it gives way to other programs. */
export function nice() {
  return getPriority();
}

/** Short name of the repository's commit. */
export function commit(folder) {
  return execFileSync("git", ["-C", folder, "rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
}

/** The versions of packages, as they are installed. */
export function versions(packages) {
  const of = (name) =>
    JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
  return Object.fromEntries(packages.map((name) => [name, of(name)]));
}
