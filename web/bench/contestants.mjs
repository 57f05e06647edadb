// Who is compared.

const OURS = [
  { library: "ours", backend: "webgpu", kernel: "auto" },
  { library: "ours", backend: "webgpu", kernel: "dense" },
  { library: "ours", backend: "cpu", kernel: "auto" },
  { library: "ours", backend: "cpu", kernel: "dense" },
];

const PEERS = [
  { library: "tfjs", backend: "webgpu" },
  { library: "tfjs", backend: "wasm" },
  { library: "ort", backend: "webgpu" },
  { library: "ort", backend: "wasm" },
];

const NAMES = { ours: "filter-summary", tfjs: "TensorFlow.js", ort: "ONNX Runtime Web" };

/** Ours, and every peer on every twin that the model has. */
export function contestants(model, forms) {
  const peers = PEERS.flatMap((peer) => forms.map((form) => ({ ...peer, form })));
  return [...OURS, ...peers].map((one) => ({ ...one, model, name: nameOf(one) }));
}

function nameOf({ library, backend, kernel, form }) {
  const on = backend === "webgpu" ? "WebGPU" : "CPU";
  const what = kernel ? `kernels ${kernel}` : `${form} twin`;
  return `${NAMES[library]}, ${on}, ${what}`;
}

/** What everybody else is compared with. */
export function referee(model) {
  return { library: "ours", backend: "cpu", kernel: "auto", model };
}
