// Files into bytes.

/** The bytes of a source; `onProgress` hears of those that arrive. */
export async function bytesOf(source, { cache, signal, onProgress } = {}) {
  signal?.throwIfAborted();
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (source instanceof Response) return read(source, source.url || "the response", onProgress);
  if (typeof source !== "string" && !(source instanceof URL) && !(source instanceof Request)) {
    throw new Error(`the source is ${describe(source)}: it must be an address, or a file's bytes`);
  }
  return fetched(source, { cache, signal, onProgress });
}

async function fetched(source, { cache, signal, onProgress }) {
  const address = source instanceof Request ? source.url : String(source);
  // Browsers have caches in secure contexts only, and may refuse them: the file is fetched every time then.
  const kept = cache ? await globalThis.caches?.open(cache).catch(() => undefined) : undefined;
  const found = await kept?.match(source).catch(() => undefined);
  if (found) return read(found, address, onProgress);
  const response = await fetch(source, { signal }).catch((error) => {
    if (signal?.aborted) throw error;
    throw new Error(`${address}: ${error.message}`);
  });
  const bytes = await read(response, address, onProgress);
  // A full disk is no reason to fail.
  await kept?.put(source, new Response(bytes)).catch(() => {});
  return bytes;
}

async function read(response, address, onProgress) {
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`.trim());
  if (!response.body || response.bodyUsed)
    throw new Error(`${address}: the response has no body, or it was read before`);
  // What is compressed on the way has another length there.
  const length = response.headers.has("content-encoding") ? null : response.headers.get("content-length");
  const total = length === null ? undefined : Number(length);
  const parts = [];
  let loaded = 0;
  onProgress?.({ stage: "download", loaded, total });
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    loaded += part.value.length;
    onProgress?.({ stage: "download", loaded, total });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function describe(value) {
  return value === null || typeof value !== "object" ? String(value) : (value.constructor?.name ?? "an object");
}
