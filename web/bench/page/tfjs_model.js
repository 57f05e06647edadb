// The network of a tfjs file that twin.py wrote, on whatever backend tfjs has.

/** @param {typeof import("@tensorflow/tfjs-core")} tf @param {string} address without its ending */
export async function tfjsModel(tf, address) {
  const [description, binary] = await Promise.all([
    fetch(`${address}.json`).then((response) => response.json()),
    fetch(`${address}.bin`).then((response) => response.arrayBuffer()),
  ]);
  return new TfjsModel(tf, description, binary);
}

class TfjsModel {
  #tf;
  #description;
  #weights = new Map();

  constructor(tf, description, binary) {
    this.#tf = tf;
    this.#description = description;
    for (const { name, weight, bias } of description.layers) {
      if (weight) this.#weights.set(name, { weight: read(tf, binary, weight), bias: read(tf, binary, bias) });
    }
  }

  /** `[C, H, W]` to a tensor of logits, which the caller disposes of. */
  predict(values) {
    const tf = this.#tf;
    return tf.tidy(() => {
      const [height, width, channels] = this.#description.input;
      const input = tf.tensor4d(pixelMajor(values, channels), [1, height, width, channels]);
      const made = new Map([["input", input]]);
      for (const layer of this.#description.layers) made.set(layer.name, this.#run(layer, made));
      return tf.reshape(made.get(this.#description.output), [-1]);
    });
  }

  #run(layer, made) {
    const tf = this.#tf;
    const [x, other] = layer.inputs.map((name) => made.get(name));
    // Fused kernels where there are any: as tfjs's own converter writes convolutions.
    const activation = layer.activation === "none" ? "linear" : layer.activation;
    switch (layer.op) {
      case "conv":
      case "depthwise": {
        const { weight, bias } = this.#weights.get(layer.name);
        const { stride: strides, dilation: dilations, padding } = layer;
        const options = { x, filter: weight, strides, dilations, pad: padOf(padding), bias, activation };
        return layer.op === "conv" ? tf.fused.conv2d(options) : tf.fused.depthwiseConv2d(options);
      }
      case "linear": {
        const { weight, bias } = this.#weights.get(layer.name);
        return tf.fused.matMul({ a: tf.reshape(x, [1, -1]), b: weight, bias, activation });
      }
      case "add":
        return activated(tf, layer.activation, tf.add(x, other));
      case "relu":
        return tf.relu(x);
      case "mean":
        return tf.mean(x, [1, 2], true);
      case "max_pool":
        return tf.maxPool(x, layer.kernel, layer.stride, "valid");
      case "shortcut": {
        const more = layer.channels - x.shape[3];
        const pixels = tf.stridedSlice(x, [0, 0, 0, 0], x.shape, [1, ...layer.stride, 1]);
        return tf.pad(pixels, [
          [0, 0],
          [0, 0],
          [0, 0],
          [more >> 1, more - (more >> 1)],
        ]);
      }
      default:
        throw new Error(`${layer.name}: no ${layer.op} here`);
    }
  }
}

function read(tf, binary, { shape, offset }) {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(new Float32Array(binary, offset, size), shape);
}

function activated(tf, activation, x) {
  return activation === "relu" ? tf.relu(x) : activation === "relu6" ? tf.relu6(x) : x;
}

/** `[top, left, bottom, right]` as tfjs has it. */
function padOf([top, left, bottom, right]) {
  if (top === left && top === bottom && top === right) return top;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** `[C, H, W]` as `[H, W, C]`. */
function pixelMajor(values, channels) {
  const size = values.length / channels;
  const pixels = new Float32Array(values.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < size; i++) pixels[i * channels + c] = values[c * size + i];
  }
  return pixels;
}
