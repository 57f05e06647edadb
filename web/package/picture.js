// Pictures into pixels.

// The numbers of the file, upright: as fsnet reads it.
const AS_STORED = { premultiplyAlpha: "none", colorSpaceConversion: "none", imageOrientation: "from-image" };

/** `{ data, width, height }`: bytes `[height, width, RGBA]`. */
export async function pixels(picture) {
  if (typeof ImageData !== "undefined" && picture instanceof ImageData) return picture;
  const bitmap = await decoded(picture);
  try {
    const { width, height } = bitmap;
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
    // An element may still be loading.
    if (typeof picture?.decode === "function") await picture.decode();
    return await createImageBitmap(picture, AS_STORED);
  } catch (error) {
    throw new Error(`the picture cannot be decoded: ${error.message}`);
  }
}
