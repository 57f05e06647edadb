// What callers pass in, checked where it enters.

/** Refuses options of other names: a misspelt one would be passed over. */
export function known(options, names) {
  for (const name of Object.keys(options ?? {})) {
    if (!names.includes(name)) throw new Error(`option ${shown(name)} is not known: there are ${names.join(", ")}`);
  }
  return options ?? {};
}

/** Refuses all but whole numbers from `least` to `most`. */
export function whole(name, value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} is ${shown(value)}: it must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Refuses all but some words. */
export function word(name, value, words) {
  if (!words.includes(value)) throw new Error(`${name} is ${shown(value)}: it must be ${words.join(", ")}`);
  return value;
}

/** Refuses all but true and false. */
export function flag(name, value) {
  if (typeof value !== "boolean") throw new Error(`${name} is ${shown(value)}: it must be true or false`);
  return value;
}

/** A value in a message of one line. */
export function shown(value) {
  if (typeof value === "function") return "a function";
  if (value !== null && typeof value === "object") return value.constructor?.name ?? "an object";
  return String(value).split(/\s+/).join(" ").slice(0, 80);
}
