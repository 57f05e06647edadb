// The browsers to be had.

import puppeteer from "puppeteer-core";

const CHROMIUM = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const FIREFOX = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  // Its clock otherwise has steps of a millisecond.
  "privacy.reduceTimerPrecision": false,
};

const BROWSERS = {
  chromium: {
    executablePath: "/usr/bin/chromium",
    args: CHROMIUM,
  },
  firefox: {
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    extraPrefsFirefox: FIREFOX,
  },
};

export const NAMES = Object.keys(BROWSERS);

/** Opens a browser of these; `adapter` is what Chromium calls `--use-webgpu-adapter`. */
export function launch(name, { executable, adapter }) {
  const options = { headless: true, protocolTimeout: 600_000, ...BROWSERS[name] };
  if (executable) options.executablePath = executable;
  if (adapter && name === "chromium") options.args = [...options.args, `--use-webgpu-adapter=${adapter}`];
  return puppeteer.launch(options);
}

/** The command line's words about it. */
export function flags(name, adapter) {
  if (name === "firefox") return Object.entries(FIREFOX).map(([pref, value]) => `${pref}=${value}`);
  return adapter ? [...CHROMIUM, `--use-webgpu-adapter=${adapter}`] : CHROMIUM;
}
