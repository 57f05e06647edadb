// The results as a page, and as what a terminal shows.

const HEAD = [
  "contestant",
  "library, KB: raw / gzip / brotli",
  "model, KB: raw / brotli",
  "load to first result, ms",
  "an image, ms: median (rounds from - to)",
  "least single, ms",
  "queued, ms an image",
  "logits off, of the largest",
];

/** The rows of one model as cells, the fastest of those with equal numbers first within CPU and WebGPU. */
export function table(race) {
  const order = (row) => (row.equal ? row.image_ms.median : Infinity);
  const rows = [...race.rows].sort((a, b) => gpu(a) - gpu(b) || order(a) - order(b));
  return [HEAD, ...rows.map(cells)];
}

function gpu({ backend }) {
  return backend === "webgpu" ? 1 : 0;
}

function cells(row) {
  if (!row.image_ms) return [row.name, `does not run: ${row.error}`, ...Array(HEAD.length - 2).fill("")];
  const { library, model } = row.bytes;
  const note = row.error ? ` (of its rounds failed: ${row.error})` : "";
  return [
    row.name + note,
    [library.raw, library.gzip, library.brotli].map(kilobytes).join(" / "),
    [model.raw, model.brotli].map(kilobytes).join(" / "),
    range(row.first_ms, 0),
    range(row.image_ms, 2),
    row.image_ms.least_single.toFixed(2),
    row.queued_ms ? range(row.queued_ms, 2) : "",
    row.difference.toExponential(1) + (row.equal ? "" : " **not equal: its times mean nothing**"),
  ];
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0);
}

function range({ median, least, most }, digits) {
  return `${median.toFixed(digits)} (${least.toFixed(digits)} - ${most.toFixed(digits)})`;
}

/** The table with columns of equal width. */
export function aligned(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.filter((row) => row[2] !== "").map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd()).join("\n");
}

function markdown(rows) {
  const line = (row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(rows[0]), line(rows[0].map(() => "---")), ...rows.slice(1).map(line)].join("\n");
}

export function page(results) {
  const { browser, machine, adapter, versions, command, date, rounds, passes, commit, nice } = results;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Inference in ${browser.version}: WebAssembly on the CPU, WebGPU on ${adapter.name}

${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, ${machine.system}. WebGPU adapter: ${adapter.name}.
${packages.join(", ")}; filter-summary of commit ${commit}. Node ${machine.node}. ${date}.

    ${command}

${software(adapter)}All contestants run the same network on the same ${results.races[0].images} images with batch 1, and their logits are compared with
those of filter-summary on the CPU, which in turn are compared with \`interpret.py\`'s. In ${rounds} rounds the contestants take
turns; each turn is a new page, where everything is downloaded (from this machine) and compiled again. Times are medians
of the rounds' medians, in brackets the least and the greatest of these; "least single" is the fastest image of all.
"Load to first result" is once a turn, from the first byte of the library to logits, compiling included. "Queued" is
one image of ${passes} forward passes that are queued before one result is read back: on WebGPU, where reading back
may take longer than computing${browser.name === "firefox" ? " (Firefox looks for results about every 100 ms, so here only this column compares)" : ""}.

WebAssembly is single-threaded everywhere, with 128-bit SIMD: threads need a page isolated from others, and
filter-summary has none. Libraries are the smallest published minified files with the backend (tfjs-core and one
backend; ort.wasm or ort.webgpu), no bundler; filter-summary's own JavaScript is not minified. KB are 1,000 bytes;
gzip and brotli are node's zlib with its defaults. Twins are f32: the dense twin has ordinary filters, the separable
twin (where layers have one base a filter) pointwise and depthwise convolutions, which is the least that other
libraries need compute for this network.

Other work shared the cores${nice ? `, and this ran with nice ${nice}` : ""}; load averages of a minute after each round stand below each table.

${results.races.map(section).join("\n")}`;
}

function section(race) {
  const loads = race.loads.map((load) => load.toFixed(1)).join(", ");
  const off = race.referee.difference_from_interpreter.toExponential(1);
  return `## ${race.model}

${markdown(table(race))}

Load averages: ${loads}. The referee's logits differ from \`interpret.py\`'s by ${off} of the largest.
`;
}

function software(adapter) {
  if (!adapter.software) return "";
  return `**WebGPU here is ${adapter.name}, software on the same CPU.** Its rows show that contestants run, and their numbers are
equal; their times say nothing about hardware, and compare nothing of interest. The rows of the CPU are the CPU's.

`;
}
