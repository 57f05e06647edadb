const LARGEST = 640;
const COARSE = 128;

/** Where the picture is seen, cut to the square that the network is given. */
export class Stage {
  #canvas;
  #caption;
  #turn = 0;

  /** @param {HTMLCanvasElement} canvas @param {HTMLElement} caption */
  constructor(canvas, caption) {
    this.#canvas = canvas;
    this.#caption = caption;
  }

  /** Shows a picture, unless another came while it was read, and hands it on.
   * @param {Blob | Promise<Blob>} source @param {string} title */
  async show(source, title) {
    const turn = ++this.#turn;
    const blob = await source;
    const bitmap = await createImageBitmap(blob).catch(() => {
      throw new Error(`“${title}” is not a picture that this browser can read.`);
    });
    if (turn === this.#turn) this.#draw(bitmap, title);
    bitmap.close();
    return blob;
  }

  #draw(bitmap, title) {
    const { width, height } = bitmap;
    const side = Math.min(width, height);
    const canvas = this.#canvas;
    canvas.width = canvas.height = Math.min(side, LARGEST);
    canvas.classList.toggle("coarse", side < COARSE);
    canvas
      .getContext("2d")
      .drawImage(bitmap, (width - side) / 2, (height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", `The picture to be classified: ${title}`);
    this.#caption.textContent = `${title}, ${width} × ${height} pixels`;
  }
}
