// Runs before everything else, as a file of its own because the content security policy allows no inline script.

// zod would otherwise probe whether it may build functions from text, which the policy forbids and reports.
globalThis.__zod_globalConfig = { jitless: true };

// The chosen colour scheme, before the first paint.
const chosen = localStorage.getItem("mantine-color-scheme-value");
const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
