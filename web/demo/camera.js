const INTERVAL = 250;

const REASONS = {
  NotAllowedError: "The camera is not allowed. Allow it in the browser's settings of this page, then try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program, or does not answer.",
  OverconstrainedError: "The camera has no picture of a size that this page can use.",
};

/** Shows the camera, and hands on a frame a few times a second. */
export class Camera {
  #video;
  #watch;
  #stream;
  #timer;
  #turn = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {object} watch
   * @param {(video: HTMLVideoElement) => void} watch.frame
   * @param {(running: boolean) => void} watch.changed
   * @param {(error: Error) => void} watch.failed
   */
  constructor(video, watch) {
    this.#video = video;
    this.#watch = watch;
  }

  get running() {
    return this.#stream !== undefined;
  }

  /** What it shows now, as a picture that stays. @returns {Promise<Blob>} */
  still() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.#video.videoWidth, this.#video.videoHeight];
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve));
  }

  async start() {
    const turn = ++this.#turn;
    try {
      const stream = await ask();
      // Someone may have chosen a picture while the browser asked for permission.
      if (turn !== this.#turn) return release(stream);
      await this.#show(stream);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.stop();
      this.#watch.failed(new Error(REASONS[error.name] ?? `The camera failed: ${error.message}`));
    }
  }

  stop() {
    this.#turn++;
    clearInterval(this.#timer);
    if (!this.running) return;
    release(this.#stream);
    this.#stream = undefined;
    this.#video.srcObject = null;
    this.#watch.changed(false);
  }

  async #show(stream) {
    this.#stream = stream;
    this.#video.srcObject = stream;
    this.#watch.changed(true);
    stream.getVideoTracks()[0].addEventListener("ended", () => this.#end(stream));
    await this.#video.play();
    if (stream === this.#stream) this.#timer = setInterval(() => this.#tick(), INTERVAL);
  }

  #end(stream) {
    if (stream !== this.#stream) return;
    this.stop();
    this.#watch.failed(new Error("The camera has stopped."));
  }

  #tick() {
    if (!document.hidden && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      this.#watch.frame(this.#video);
    }
  }
}

async function ask() {
  if (!navigator.mediaDevices) throw new Error("browsers give it to pages from https or localhost only.");
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } });
}

function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}
