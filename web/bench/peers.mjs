// Compares filter-summary with TensorFlow.js and ONNX Runtime Web in browsers. README.md says how.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { NAMES, flags, launch } from "./browsers.mjs";
import { commit, fingerprint, machine, nice, versions } from "./machine.mjs";
import { Race } from "./race.mjs";
import { Server } from "./server.mjs";
import { aligned, page, table } from "./summary.mjs";
import { Turn } from "./turn.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(HERE, "../..");
const PACKAGES = [
  "@tensorflow/tfjs-core",
  "@tensorflow/tfjs-backend-webgpu",
  "@tensorflow/tfjs-backend-wasm",
  "onnxruntime-web",
  "puppeteer-core",
];

const USAGE = `node peers.mjs --twins FOLDER [options]
  --twins FOLDER     what twin.py wrote
  --site FOLDER      has filter-summary/ and models/ (target/web/site)
  --browser NAME     ${NAMES.join(" or ")} (chromium)
  --executable FILE  of the browser
  --adapter NAME     Chromium's --use-webgpu-adapter: swiftshader where there is no GPU; for Firefox, which does not
                     tell what it runs on, only the name that results have
  --models A,B       (air-base-c-8bit,resnet20-s2c)
  --rounds N         (7)
  --webgpu-rounds N  fewer of them on WebGPU, for software adapters (as many)
  --passes N         queued before one result is read (10)
  --out FOLDER       for results.json and summary.md (benches/results/web-ADAPTER-BROWSER)
  --no-files         writes none
  --render FILE      writes summary.md beside a results.json of earlier, and does nothing else
  --json             prints the results as JSON instead of tables`;

function options() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values } = parseArgs({
    options: {
      twins: text,
      site: { ...text, default: join(ROOT, "target/web/site") },
      browser: { ...text, default: "chromium" },
      executable: text,
      adapter: text,
      models: { ...text, default: "air-base-c-8bit,resnet20-s2c" },
      rounds: { ...text, default: "7" },
      "webgpu-rounds": text,
      passes: { ...text, default: "10" },
      out: text,
      "no-files": flag,
      render: text,
      json: flag,
      help: flag,
    },
  });
  if (values.help || !(values.twins || values.render) || !NAMES.includes(values.browser)) {
    console.error(USAGE);
    process.exit(values.help ? 0 : 2);
  }
  const [rounds, webgpuRounds] = [values.rounds, values["webgpu-rounds"] ?? values.rounds].map(Number);
  return { ...values, rounds, webgpuRounds, passes: Number(values.passes) };
}

async function measured(asked, browser, server) {
  const turn = new Turn(browser, server);
  const around = await turn.surroundings();
  const races = [];
  for (const model of asked.models.split(",")) {
    const twins = JSON.parse(await readFile(join(asked.twins, `${model}.twins.json`), "utf8"));
    races.push(await new Race(turn, server, asked).run(model, twins));
  }
  return {
    date: new Date().toISOString(),
    command: ["node", "peers.mjs", ...process.argv.slice(2)].join(" "),
    commit: commit(ROOT),
    package: Object.fromEntries(["cpu", "gpu"].map((name) => [name, fingerprint(wasm(asked.site, name))])),
    browser: { name: asked.browser, version: await browser.version(), flags: flags(asked.browser, asked.adapter) },
    adapter: adapterOf(around, asked),
    isolated: around.isolated,
    machine: machine(),
    nice: nice(),
    versions: versions(PACKAGES),
    rounds: asked.rounds,
    webgpu_rounds: asked.webgpuRounds,
    passes: asked.passes,
    races,
  };
}

function wasm(site, name) {
  return join(site, "filter-summary/wasm", `${name}_bg.wasm`);
}

/** What the browser tells of the adapter, else what the command line does. */
function adapterOf({ adapter: info }, { adapter: told }) {
  const { architecture, device, description, vendor } = info ?? {};
  const named = [architecture, device].filter(Boolean).join(" ") || description || vendor;
  const name = named || told || (info ? "unnamed" : "none");
  const software = /swiftshader|llvmpipe/i.test(JSON.stringify([name, info]));
  return { name, info, told: !named && Boolean(told), software };
}

function slug(text) {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

async function main() {
  const asked = options();
  if (asked.render) {
    return writeFile(join(asked.render, "../summary.md"), page(JSON.parse(await readFile(asked.render, "utf8"))));
  }
  const folders = {
    page: join(HERE, "page"),
    node_modules: join(HERE, "node_modules"),
    "filter-summary": join(asked.site, "filter-summary"),
    models: join(asked.site, "models"),
    images: join(ROOT, "models/images"),
    twins: asked.twins,
  };
  const server = new Server(folders);
  await server.start();
  const browser = await launch(asked.browser, asked);
  let results;
  try {
    results = await measured(asked, browser, server);
  } finally {
    await browser.close();
    server.stop();
  }
  if (!asked["no-files"]) {
    const name = `web-${slug(results.adapter.name)}-${asked.browser}`;
    const out = asked.out ?? join(ROOT, "benches/results", name);
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "results.json"), `${JSON.stringify(results, undefined, 1)}\n`);
    await writeFile(join(out, "summary.md"), page(results));
    console.error(`written to ${out}`);
  }
  if (asked.json) return console.log(JSON.stringify(results, undefined, 1));
  for (const race of results.races) console.log(`\n${race.model}\n${aligned(table(race))}`);
}

await main();
