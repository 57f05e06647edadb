import { Bars } from "./bars.js";
import { Camera } from "./camera.js";
import { Choices } from "./choices.js";
import { Comparison } from "./compare.js";
import { Layers } from "./layers.js";
import { sentence } from "./numbers.js";
import { Queue } from "./queue.js";
import { Session, kernelsOf } from "./session.js";
import { Stage } from "./stage.js";
import { measure, timed } from "./stopwatch.js";

const FIRST = "cat";
const place = (id) => document.getElementById(id);

/** Starts the page.
 * @param {import("./status.js").Status} status */
export function open(status) {
  new Page(status).start();
}

class Page {
  #status;
  #queue;
  #session = new Session();
  #stage = new Stage(place("picture"), place("caption"));
  #bars = new Bars({ list: place("guesses"), verdict: place("verdict"), time: place("milliseconds") });
  #comparison = new Comparison(place("compare"));
  #layers = new Layers(place("layers"), place("layers-note"));
  #choices = new Choices(place("choices"), place("choices-note"), (choice) => this.#choose(choice));
  #camera = new Camera(place("video"), {
    frame: (video) => this.#frame(video),
    changed: (running) => this.#showCamera(running),
    failed: (error) => this.#status.failed(error),
  });
  #picture;

  constructor(status) {
    this.#status = status;
    this.#queue = new Queue(status);
  }

  start() {
    this.#choose(this.#choices.choice);
    this.#takeSample(FIRST);
    this.#listenForFiles();
    for (const button of samples()) button.addEventListener("click", () => this.#takeSample(button.dataset.sample));
    place("camera").addEventListener("click", () => this.#toggleCamera());
    place("measure").addEventListener("click", ({ target }) => this.#toggleMeasure(target));
  }

  #listenForFiles() {
    const input = place("file");
    input.addEventListener("change", () => {
      this.#takeFiles(input.files);
      // The same file can then be chosen again.
      input.value = "";
    });
    document.addEventListener("paste", ({ clipboardData }) => this.#takeFiles(clipboardData.files));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      document.body.classList.add("dragging");
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (!relatedTarget) document.body.classList.remove("dragging");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dragging");
      this.#takeFiles(event.dataTransfer.files);
    });
  }

  /** Does what someone asked for, which makes an error of before old. */
  #act(job) {
    this.#status.clear();
    this.#queue.add(job);
  }

  #choose(choice) {
    this.#act({ kind: "network", work: (signal) => this.#load(choice, signal) });
  }

  #takeFiles([file]) {
    if (file) this.#take(file, file.name);
    else this.#status.failed(new Error("There was no picture in it: files of pictures can be dropped and pasted."));
  }

  #takeSample(name) {
    this.#take(download(`./samples/${name}.png`), name);
    for (const button of samples()) button.ariaPressed = String(button.dataset.sample === name);
  }

  /** Shows a picture at once, even while something else runs, and classifies it next. */
  #take(source, title) {
    this.#camera.stop();
    for (const button of samples()) button.ariaPressed = "false";
    const shown = this.#stage.show(source, title);
    // If the job is replaced before it awaits this, nobody needs to know that it failed.
    shown.catch(() => undefined);
    this.#act({ kind: "picture", work: async (signal) => this.#classifyPicture(await shown, signal) });
  }

  async #classifyPicture(picture, signal) {
    this.#picture = picture;
    const network = await this.#network(signal);
    this.#status.work("Classifying …");
    await this.#classify(network, picture);
    this.#status.say("Ready.");
  }

  async #classify(network, picture) {
    const guesses = await network.classify(picture);
    // Once more without reading the picture, for the time of the forward pass alone.
    const input = await network.values(picture);
    this.#bars.show(guesses, await timed(() => network.run(input)));
  }

  #frame(video) {
    if (!this.#queue.idle) return;
    this.#queue.add({ kind: "picture", work: async (signal) => this.#classify(await this.#network(signal), video) });
  }

  async #load(choice, signal) {
    const session = this.#session;
    const before = session.device;
    try {
      this.#status.work("Preparing …");
      await session.use(choice, { signal, onProgress: (progress) => this.#status.load(progress) });
      if (session.device !== before) this.#comparison.reset(kernelsOf(session.device));
      this.#describe(session);
      if (this.#picture && !this.#camera.running) await this.#classify(session.network, this.#picture);
      this.#status.say("Ready.");
    } finally {
      // A choice that came meanwhile stays as it was made.
      if (!signal.aborted) this.#choices.show(session);
    }
  }

  #describe({ device, network }) {
    const on = device.backend === "webgpu" ? `${device.name}, by WebGPU` : "the CPU, by WebAssembly";
    place("device").textContent = sentence(`Runs on ${on}${device.reason ? `: ${device.reason}` : ""}`);
    place("milliseconds-note").textContent = `a forward pass, kernels: ${network.kernel}`;
    this.#comparison.choose(network);
    this.#layers.show(network);
  }

  /** The network, loaded anew where loading failed before or the device was lost. */
  async #network(signal) {
    if (!this.#session.network) await this.#load(this.#choices.choice, signal);
    return this.#session.network;
  }

  #toggleCamera() {
    this.#status.clear();
    if (this.#camera.running) this.#take(this.#camera.still(), "The camera’s last picture");
    else this.#camera.start();
  }

  #showCamera(running) {
    document.body.classList.toggle("live", running);
    place("camera").textContent = running ? "Stop the camera" : "Use the camera";
    for (const button of samples()) button.ariaPressed = "false";
    this.#status.say(running ? "What the camera sees is classified a few times a second." : "");
  }

  #toggleMeasure(button) {
    if (button.dataset.running) this.#queue.stop("measure");
    else this.#act({ kind: "measure", yields: true, work: (signal) => this.#measure(button, signal) });
  }

  async #measure(button, signal) {
    button.dataset.running = "true";
    button.textContent = "Stop measuring";
    try {
      const network = await this.#network(signal);
      await this.#compare(kernelsOf(network.device), signal);
      if (network.device.backend === "webgpu") await this.#profile(network);
      this.#status.say(this.#comparison.finding());
    } finally {
      if (signal.aborted) this.#status.say("Stopped measuring.");
      delete button.dataset.running;
      button.textContent = "Measure";
    }
  }

  async #compare(kernels, signal) {
    for (const [index, kernel] of kernels.entries()) {
      this.#status.work(`Measuring ${kernel} …`, index / kernels.length);
      await this.#session.withKernel(kernel, signal, async (network) => {
        this.#comparison.add(network, await measure(network, signal));
      });
    }
  }

  async #profile(network) {
    this.#status.work("Measuring each layer, for some seconds …");
    this.#layers.time(await network.profile());
  }
}

const samples = () => document.querySelectorAll("[data-sample]");

async function download(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`The picture did not arrive: ${response.status} ${response.statusText}`);
  return response.blob();
}
