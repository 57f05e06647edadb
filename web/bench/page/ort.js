// ONNX Runtime Web: of its builds the smallest with the backend.

const FOLDER = "/node_modules/onnxruntime-web/dist";

export async function open({ model, form, backend }) {
  const ort = await import(`${FOLDER}/ort.${backend}.min.mjs`);
  ort.env.wasm.wasmPaths = `${FOLDER}/`;
  ort.env.wasm.numThreads = 1;
  const gpu = backend === "webgpu";
  const session = await ort.InferenceSession.create(`/twins/${model}.${form}.onnx`, {
    executionProviders: [backend],
    // So that several passes can be queued before anything is read back.
    ...(gpu && { preferredOutputLocation: "gpu-buffer" }),
  });
  const [inputName] = session.inputNames;
  const [outputName] = session.outputNames;
  const shape = session.inputMetadata[0].shape;
  const pass = async (input) => {
    const results = await session.run({ [inputName]: new ort.Tensor("float32", input, shape) });
    return results[outputName];
  };
  const read = async (tensor) => {
    const values = await tensor.getData();
    tensor.dispose();
    return values;
  };
  return {
    adapter: gpu ? await adapterOf(ort) : undefined,
    run: async (input) => read(await pass(input)),
    async queued(inputs) {
      for (const input of inputs.slice(1)) (await pass(input)).dispose();
      return read(await pass(inputs.at(-1)));
    },
    free: () => session.release(),
  };
}

async function adapterOf(ort) {
  const info = (await ort.env.webgpu.device)?.adapterInfo;
  return info && [info.vendor, info.architecture].filter(Boolean).join(" ");
}
