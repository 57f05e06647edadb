const KEY = "filter-summary-theme";
const THEMES = ["light", "dark"];
const NAMES = { light: "Light colours", dark: "Dark colours" };

const root = document.documentElement;
const button = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Storage may be forbidden: a choice is then forgotten with the page. */
function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch (error) {
    console.info("The theme is not kept:", error.message);
  }
}

function other() {
  const current = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  return THEMES.find((theme) => theme !== current);
}

const name = () => {
  button.textContent = NAMES[other()];
};

button.addEventListener("click", () => {
  root.dataset.theme = other();
  store(root.dataset.theme);
  name();
});
dark.addEventListener("change", name);

if (THEMES.includes(stored())) root.dataset.theme = stored();
name();
