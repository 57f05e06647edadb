// The browsers that tests run in, headless, on software adapters.

import puppeteer from "puppeteer-core";

export const SITE = required("FS_SITE");
export const PACKAGE = required("FS_PACKAGE");

const LAUNCH = {
  chromium: {
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  },
  firefox: {
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    extraPrefsFirefox: { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true },
  },
};

export const NAMES = Object.keys(LAUNCH);

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: cargo xtask web test sets it`);
  return value;
}

/** A browser; kernels take seconds to compile on software adapters. */
export async function launch(name) {
  return puppeteer.launch({ headless: true, protocolTimeout: 240_000, ...LAUNCH[name] });
}

/** A page of its own, with what went wrong in it in `page.faults`. */
export async function open(browser, path = "/tests/blank.html") {
  const page = await browser.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  await page.goto(SITE + path);
  return page;
}

/** Calls a function in a page of its own, with the package as its first argument. */
export async function inPage(browser, run, ...args) {
  const page = await open(browser);
  try {
    return await call(page, run, ...args);
  } finally {
    await page.close();
  }
}

/** Calls a function in a page, with the package as its first argument; a panic is an error, not a wait for ever. */
export async function call(page, run, ...args) {
  const panicked = new Promise((_, reject) => page.once("pageerror", (error) => reject(new Error(error.message))));
  const text = `async (...args) => (${run})(await import("/filter-summary/index.js"), ...args)`;
  return Promise.race([page.evaluate(`(${text})(${args.map((arg) => JSON.stringify(arg)).join(", ")})`), panicked]);
}
