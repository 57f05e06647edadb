// TensorFlow.js: its core and one backend, the files that it publishes minified. Scripts, for they are no modules.

import { tfjsModel } from "./tfjs_model.js";

const FOLDER = "/node_modules/@tensorflow";

export async function open({ model, form, backend }) {
  await script(`${FOLDER}/tfjs-core/dist/tf-core.es2017.min.js`);
  await script(`${FOLDER}/tfjs-backend-${backend}/dist/tf-backend-${backend}.es2017.min.js`);
  const { tf } = globalThis;
  tf.enableProdMode();
  if (backend === "wasm") {
    tf.wasm.setWasmPaths(`${FOLDER}/tfjs-backend-wasm/dist/`);
    // The page is isolated for the sake of its clock, so that threads would be there; nobody has any here.
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    if (!(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) throw new Error("tfjs finds no SIMD");
  }
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs cannot start its backend ${backend}`);
  const network = await tfjsModel(tf, `/twins/${model}.${form}`);
  const logits = async (tensor) => {
    const values = await tensor.data();
    tensor.dispose();
    return values;
  };
  const info = tf.backend().adapterInfo?.adapterInfo ?? tf.backend().adapterInfo;
  return {
    adapter: info && [info.vendor, info.architecture].filter(Boolean).join(" "),
    run: (input) => logits(network.predict(input)),
    async queued(inputs) {
      for (const input of inputs.slice(1)) network.predict(input).dispose();
      return logits(network.predict(inputs.at(-1)));
    },
    free: () => {},
  };
}

function script(address) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = address;
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${address} cannot be loaded`));
    document.head.append(element);
  });
}
