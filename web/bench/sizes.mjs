// How large files are on their way to a browser.

import { readFile } from "node:fs/promises";
import { brotliCompress, gzip } from "node:zlib";
import { promisify } from "node:util";

const known = new Map();

/** Bytes of files together: as they are, and as node's zlib compresses each with its defaults. */
export async function sizesOf(files) {
  const total = { files: files.length, raw: 0, gzip: 0, brotli: 0 };
  for (const file of files) {
    const size = await sizeOf(file);
    for (const kind of ["raw", "gzip", "brotli"]) total[kind] += size[kind];
  }
  return total;
}

async function sizeOf(file) {
  if (!known.has(file)) {
    const content = await readFile(file);
    const [zipped, brotli] = await Promise.all([promisify(gzip)(content), promisify(brotliCompress)(content)]);
    known.set(file, { raw: content.length, gzip: zipped.length, brotli: brotli.length });
  }
  return known.get(file);
}
