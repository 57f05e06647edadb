// The package filter-summary.

export async function open({ model, backend, kernel }) {
  const { Network } = await import("/filter-summary/index.js");
  const network = await Network.load(`/models/${model}.safetensors`, { backend, kernel, software: true });
  const { device } = network;
  return {
    adapter: device.name,
    run: (input) => network.run(input),
    // The last pass has the image, those before what is in the buffers: the same work.
    async queued(inputs) {
      for (let pass = 1; pass < inputs.length; pass++) network.submit();
      return network.run(inputs.at(-1));
    },
    values: (picture) => network.values(picture),
    free: () => network.free(),
  };
}
