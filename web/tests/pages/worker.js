// A worker that classifies what it is sent, and answers with an object of the result or the error.
import { Network } from "/filter-summary/index.js";

self.onmessage = async ({ data: { picture, options } }) => {
  try {
    const network = await Network.load("/models/air-base-c-8bit.safetensors", options);
    self.postMessage({ guesses: await network.classify(picture), backend: network.device.backend });
    network.free();
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
