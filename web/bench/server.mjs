// Serves folders to the pages, and keeps account of what they took.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
};

export class Server {
  #folders;
  #texts = new Map();
  #server;
  #taken = [];

  /** @param {Record<string, string>} folders by the first part of an address */
  constructor(folders) {
    this.#folders = folders;
  }

  async start() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    // A name that browsers trust with WebGPU.
    this.address = `http://localhost:${this.#server.address().port}`;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Answers this address from memory. */
  put(address, content) {
    this.#texts.set(address, content);
  }

  /** The files served since it was last asked: `{ path, file }`. */
  take() {
    const taken = this.#taken;
    this.#taken = [];
    return taken;
  }

  async #answer(request, response) {
    const path = normalize(decodeURIComponent(new URL(request.url, this.address).pathname));
    try {
      const file = this.#file(path);
      const content = this.#texts.get(path) ?? (await readFile(file));
      if (!this.#texts.has(path)) this.#taken.push({ path, file });
      response.writeHead(200, {
        "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
        // Every page downloads and compiles for itself.
        "Cache-Control": "no-store",
        // A page on its own has a clock of microseconds.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  #file(path) {
    const [, first, ...rest] = path.split("/");
    return this.#folders[first] ? join(this.#folders[first], ...rest) : join("/nowhere", path);
  }
}
