/**
 * A new element. Properties with a dash are attributes; what is `undefined` is left out.
 * @param {string} tag
 * @param {Record<string, unknown>} properties
 * @param {...(Node | string)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name.includes("-")) made.setAttribute(name, String(value));
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** A bar that fills a share of its track; what it means is said in words beside it.
 * @param {number} share 0 to 1 */
export function bar(share) {
  const track = element("span", { className: "bar", "aria-hidden": true });
  track.style.setProperty("--share", share.toFixed(4));
  return track;
}
