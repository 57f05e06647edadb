// Pictures into pixels.

// The numbers of the file, upright: as fsnet reads it.
const AS_STORED = { premultiplyAlpha: "none", colorSpaceConversion: "none", imageOrientation: "from-image" };

/** What fsnet decodes, too: a gigabyte. */
const MOST_PIXELS = 2 ** 28;

/** `{ data, width, height }`: bytes `[height, width, RGBA]`. */
export async function pixels(picture) {
  // Of other pixels, 16-bit ones or a wider gamut's, the browser makes bytes.
  if (picture instanceof ImageData && picture.data instanceof Uint8ClampedArray && picture.colorSpace === "srgb") {
    return checked(picture);
  }
  const bitmap = await decoded(picture);
  try {
    const { width, height } = checked(bitmap);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (error) {
    throw new Error(`the picture cannot be read: ${error.message}`);
  } finally {
    bitmap.close();
  }
}

async function decoded(picture) {
  try {
    // An element may still be loading; one that waits until it is seen would keep us waiting.
    if (typeof picture?.decode === "function") {
      picture.loading = "eager";
      await picture.decode();
    }
    return await createImageBitmap(picture, AS_STORED);
  } catch (error) {
    throw new Error(`the picture cannot be decoded: ${error.message}`);
  }
}

function checked(picture) {
  const { width, height } = picture;
  if (width * height <= MOST_PIXELS) return picture;
  throw new Error(`the picture is ${width}x${height}: it may have ${MOST_PIXELS} pixels`);
}
