// Files into bytes.

import { shown } from "./options.js";

/** Most bytes of a file: WebAssembly has 4 GiB, in which it is unpacked. */
const MOST_BYTES = 2 ** 30;

/** A source's `bytes`, and where they were fetched for a cache `keep`, which keeps them there; `onProgress` hears of
 * those that arrive. */
export async function bytesOf(source, { cache, signal, onProgress } = {}) {
  signal?.throwIfAborted();
  if (source instanceof ArrayBuffer) return { bytes: checked(new Uint8Array(source)) };
  if (ArrayBuffer.isView(source)) {
    return { bytes: checked(new Uint8Array(source.buffer, source.byteOffset, source.byteLength)) };
  }
  if (source instanceof Blob) return { bytes: checked(new Uint8Array(await source.arrayBuffer())) };
  if (source instanceof Response)
    return { bytes: await read(source, source.url || "the response", signal, onProgress) };
  if (typeof source !== "string" && !(source instanceof URL) && !(source instanceof Request)) {
    throw new Error(`the source is ${shown(source)}: it must be an address, or a file's bytes`);
  }
  return fetched(source, { cache, signal, onProgress });
}

async function fetched(source, { cache, signal, onProgress }) {
  const address = shown(source instanceof Request ? source.url : String(source));
  const kept = cache ? await opened(cache) : undefined;
  const found = await kept?.match(source).catch(() => undefined);
  if (found) return { bytes: await read(found, address, signal, onProgress) };
  const response = await fetch(source, { signal }).catch((error) => {
    if (signal?.aborted) throw error;
    throw new Error(`${address}: ${error.message}`);
  });
  const bytes = await read(response, address, signal, onProgress);
  const keep = () => kept?.put(source, new Response(bytes, { headers: { "content-length": String(bytes.length) } }));
  return { bytes, keep };
}

// Browsers have caches in secure contexts only, and may refuse them: the file is fetched every time then.
async function opened(name) {
  try {
    return await globalThis.caches?.open(name);
  } catch {
    return undefined;
  }
}

async function read(response, address, signal, onProgress) {
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`.trim());
  if (!response.body || response.bodyUsed || response.body.locked) {
    throw new Error(`${address}: the response has no body, or it was read before`);
  }
  // What is compressed on the way has another length there.
  const length = response.headers.has("content-encoding") ? null : response.headers.get("content-length");
  const total = length === null ? undefined : Number(length);
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  const stop = () => reader.cancel().catch(() => {});
  signal?.addEventListener("abort", stop);
  try {
    onProgress?.({ stage: "download", loaded, total });
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      loaded += part.value.length;
      checkSize(loaded);
      onProgress?.({ stage: "download", loaded, total });
    }
    signal?.throwIfAborted();
  } catch (error) {
    if (error instanceof TypeError) throw new Error(`${address}: ${error.message}`);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
    // Whatever ended this early: the rest need not come.
    stop();
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function checked(bytes) {
  checkSize(bytes.length);
  return bytes;
}

function checkSize(length) {
  if (length > MOST_BYTES) throw new Error(`the file has ${length} bytes: at most ${MOST_BYTES} are read`);
}
