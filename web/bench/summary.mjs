// The results as a page, and as what a terminal shows.

const HEAD = [
  "contestant",
  "library, KB: raw / gzip / brotli",
  "model, KB: raw / brotli",
  "load to first result, ms",
  "an image, ms of CPU: median (rounds from - to)",
  "ms by the clock",
  "least single, ms",
  "queued, ms an image",
  "time against ours",
  "logits off, of the largest",
];

/** The rows of one model as cells, the fastest of those with equal numbers first within CPU and WebGPU. */
export function table(race) {
  const order = (row) => (row.equal ? timeOf(row) : Infinity);
  const rows = [...race.rows].sort((a, b) => gpu(a) - gpu(b) || order(a) - order(b));
  return [HEAD, ...rows.map((row) => cells(row, ratio(row, race.rows)))];
}

/** What rows are compared by: CPU time, and where there is a queue that of images in it. */
function timeOf({ queued_ms, cpu_ms }) {
  return (queued_ms ?? cpu_ms)?.median;
}

/** How many times as long as ours with kernels auto on the same backend. */
function ratio(row, rows) {
  const own = rows.find(({ library, kernel, backend }) => {
    return library === "ours" && kernel === "auto" && gpu({ backend }) === gpu(row);
  });
  return own?.cpu_ms && row.equal ? (timeOf(row) / timeOf(own)).toFixed(2) : "";
}

function gpu({ backend }) {
  return backend === "webgpu" ? 1 : 0;
}

function cells(row, against) {
  if (!row.image_ms && !row.error) return [row.name, "not run", ...Array(HEAD.length - 2).fill("")];
  if (!row.image_ms) return [row.name, `does not run: ${row.error}`, ...Array(HEAD.length - 2).fill("")];
  const { library, model } = row.bytes;
  const note = row.error ? ` (some rounds failed: ${row.error})` : "";
  return [
    row.name + note,
    [library.raw, library.gzip, library.brotli].map(kilobytes).join(" / "),
    [model.raw, model.brotli].map(kilobytes).join(" / "),
    range(row.first_ms, 0),
    range(row.cpu_ms, 2),
    range(row.image_ms, 2),
    row.image_ms.least_single.toFixed(2),
    row.queued_ms ? range(row.queued_ms, 2) : "",
    against,
    row.difference.toExponential(1) + (row.equal ? "" : " **not equal: its times mean nothing**"),
  ];
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0);
}

function range({ median, least, most }, digits) {
  if (least === most) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${least.toFixed(digits)} - ${most.toFixed(digits)})`;
}

/** The table with columns of equal width. */
export function aligned(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.filter((row) => row[2] !== "").map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function markdown(rows) {
  const line = (row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(rows[0]), line(rows[0].map(() => "---")), ...rows.slice(1).map(line)].join("\n");
}

export function page(results) {
  const { browser, machine, adapter, versions, command, date, commit } = results;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const builds = Object.entries(results.package).map(([name, hash]) => `${name}_bg.wasm ${hash}`);
  return `# Inference in ${browser.version}: WebAssembly on the CPU, WebGPU on ${adapter.name}

${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, ${machine.system}, Node ${machine.node}.
${packages.slice(0, 3).join(", ")},
${packages.slice(3).join(", ")}; filter-summary at commit ${commit},
SHA-256 of its modules ${builds.join(", ")}. ${date}.

    ${command}

${software(adapter)}${method(results)}
${results.races.map(section).join("\n")}`;
}

function method({ races, rounds, webgpu_rounds, passes, browser }) {
  const images = races[0].images;
  const turns = `${rounds} rounds on the CPU, ${webgpu_rounds} on WebGPU`;
  const polls = ":\nthis Firefox looks for results about every 100 ms, so that on WebGPU only this column compares";
  const compares = browser.name === "firefox" ? polls : "";
  const queue = `${passes} forward passes are queued before one result is read back`;
  return `**What is compared.** The same network with equal numbers: all get the same ${images} images as the same
floats, batch 1; their logits are compared with those of filter-summary on the CPU, and these with \`interpret.py\`'s.
Twins are f32: the *dense* twin has an ordinary filter for every Filter Summary's; the *separable* twin, which there is
where layers have one base a filter, has a pointwise and a depthwise convolution instead, the least that other libraries
need compute for such a network. Both are written by \`twin.py\`; halving their bytes with f16 weights was not tried.

**How.** Contestants take turns: ${turns}, and a turn is a new page, in which everything is
downloaded (from this machine) and compiled again, and warmed up. "CPU" is the CPU time of all the browser's processes
over the images of a turn, one after another; it is what compares on a machine that does something else, too: there an
image of 4 ms takes 8 by the clock when the scheduler interrupts it, and one of 2 is rarely interrupted. By the clock a
turn counts with its median image. All are medians of the rounds, in brackets the least and the greatest; "least single"
is the fastest image of all. "Load to first result" is once a turn, from the first byte of the library to logits, by the
clock. "Queued", by the clock too, is an image where ${queue}${compares}.
"Time against ours" is how many times as long it takes as filter-summary's \`auto\` on the same backend, CPU time on
the CPU and queued on WebGPU: below 1 the other is faster.

**Libraries** are the smallest published minified files with the backend (tfjs-core and one backend; ort.wasm or
ort.webgpu), no bundler; filter-summary's JavaScript is not minified. KB are 1,000 bytes; gzip and brotli are node's
zlib with its defaults. WebAssembly is compiled for 128-bit SIMD and has one thread everywhere: threads need a page
isolated from others, and filter-summary has none. (These pages are isolated, for the sake of the clock.)
`;
}

function section(race) {
  const loads = race.loads.map((load) => load.toFixed(1)).join(", ");
  const off = race.referee.difference_from_interpreter.toExponential(1);
  return `## ${race.model}

${markdown(table(race))}

Other work shared the cores: load averages after each round ${loads}.
The referee's logits differ from \`interpret.py\`'s by ${off} of the largest.
`;
}

function software(adapter) {
  const who = `The browser does not name its WebGPU adapter; that it is ${adapter.name} says who ran this.\n\n`;
  const told = adapter.told ? who : "";
  if (!adapter.software) return told;
  return `${told}**WebGPU here is ${adapter.name}: software, on the same CPU.** Its rows show that contestants run
and that their numbers are equal; their times say nothing about hardware, and compare nothing of interest. The rows
of the CPU are true of this CPU.

`;
}
