// What callers pass in, checked where it enters.

/** Refuses options of other names: a misspelt one would be passed over. */
export function known(options, names) {
  for (const name of Object.keys(options ?? {})) {
    if (!names.includes(name)) throw new Error(`option ${name} is not known: there are ${names.join(", ")}`);
  }
  return options ?? {};
}

/** Refuses all but whole numbers from `least` to `most`. */
export function whole(name, value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} is ${value}: it must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Refuses all but some words. */
export function word(name, value, words) {
  if (!words.includes(value)) throw new Error(`${name} is ${value}: it must be ${words.join(", ")}`);
  return value;
}
