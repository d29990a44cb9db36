import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

/**
 * Walks through the console of a running platform in a real browser, light and dark: every page has its one h1 and its landmarks,
 * controls have names, nothing is logged as an error, and no request leaves for another host. Throws on the first page that fails,
 * naming all that was wrong with it.
 */
export type Walk = {
  /** The console's origin: `http://127.0.0.1:8080`. */
  url: string;
  /** A fresh one-time link, `/signin#…` or `/setup#…`. */
  signInUrl: string;
  /** A folder for the screenshots; made when missing. */
  shots: string;
};

export type WalkReport = { pages: number; shots: string[]; requests: number };

const chromiumFlags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const pages = [
  { path: "/", h1: /Overview/, name: "overview" },
  { path: "/kpis", h1: /KPIs/, name: "kpis" },
  { path: "/devices", h1: /Devices/, name: "devices" },
  { path: "/devices?filter=status:onlin", h1: /Devices/, name: "devices-filter-error" },
  { path: "/rollouts", h1: /Rollouts/, name: "rollouts" },
  { path: "/rollouts/new", h1: /New rollout/, name: "rollout-new" },
  { path: "/releases", h1: /Releases/, name: "releases" },
  { path: "/alerts", h1: /Alerts/, name: "alerts" },
  { path: "/enrollment", h1: /Enrollment/, name: "enrollment" },
  { path: "/audit", h1: /Audit/, name: "audit" },
  { path: "/access", h1: /Access/, name: "access" },
] as const;

const tabs = ["telemetry", "commands", "updates", "identity", "connect", "logs"] as const;

export async function run({ url, signInUrl, shots }: Walk): Promise<WalkReport> {
  await mkdir(shots, { recursive: true });
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: chromiumFlags, timeout: 30_000 });
  try {
    return await walk(browser, { url, signInUrl, shots });
  } finally {
    await browser.close();
  }
}

async function walk(browser: Browser, { url, signInUrl, shots }: Walk): Promise<WalkReport> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, colorScheme: "light" });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const watched = watch(page, url);
  const taken: string[] = [];
  await signIn(page, signInUrl);
  const all = [...pages, ...(await pagesOfFirst(page, url))];
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const { path, h1, name } of all) {
      await page.goto(new URL(path, url).href);
      await page.getByRole("heading", { level: 1, name: h1 }).waitFor();
      await settled(page);
      const faults = [...(await faultsOf(page)), ...watched.faults.splice(0)];
      if (faults.length > 0) throw new Error(`${path} in ${scheme}: ${faults.join("; ")}`);
      const file = join(shots, `${name}-${scheme}.png`);
      await page.screenshot({ path: file });
      taken.push(file);
    }
  }
  await context.close();
  return { pages: taken.length, shots: taken, requests: watched.requests() };
}

/** Follows the link; the very first one asks for a name. */
async function signIn(page: Page, signInUrl: string): Promise<void> {
  await page.goto(signInUrl);
  const open = page.getByRole("button", { name: "Open the console" });
  const overview = page.getByRole("heading", { level: 1, name: "Overview" });
  await open.or(overview).first().waitFor();
  if (await open.isVisible()) await open.click();
  await overview.waitFor();
}

/** The pages of the first device and of the newest rollout, where there are any. */
async function pagesOfFirst(page: Page, url: string): Promise<{ path: string; h1: RegExp; name: string }[]> {
  const found: { path: string; h1: RegExp; name: string }[] = [];
  const device = await firstLink(page, { url, list: "/devices", below: "/devices/" });
  if (device !== undefined) {
    found.push({ path: device, h1: /./, name: "device-timeline" });
    for (const tab of tabs) found.push({ path: `${device}?tab=${tab}`, h1: /./, name: `device-${tab}` });
  }
  const rollout = await firstLink(page, { url, list: "/rollouts", below: "/rollouts/" });
  if (rollout !== undefined) found.push({ path: rollout, h1: /./, name: "rollout" });
  return found;
}

async function firstLink(
  page: Page,
  { url, list, below }: { url: string; list: string; below: string },
): Promise<string | undefined> {
  await page.goto(new URL(list, url).href);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await settled(page);
  const links = page.getByRole("main").locator(`a[href^="${below}"]:not([href="${below}new"])`);
  return (await links.count()) === 0 ? undefined : ((await links.first().getAttribute("href")) ?? undefined);
}

/** Until no skeleton is left on the page. */
async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('[role="status"][aria-label="Loading"]') === null);
}

/** What a page lacks for those who work by keyboard or hear it. Runs in the page. */
async function faultsOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = [];
    const need = (holds: boolean, fault: string) => {
      if (!holds) faults.push(fault);
    };
    need(document.querySelectorAll("h1").length === 1, `${document.querySelectorAll("h1").length} h1 instead of one`);
    need(document.querySelectorAll("main").length === 1, "no single main landmark");
    need(document.querySelector('nav[aria-label="Main"]') !== null, "no navigation landmark");
    need(document.querySelector('a[href="#main"]') !== null, "no skip link");
    need(document.title.endsWith("Tenfold"), `the title is "${document.title}"`);
    need(document.querySelector('nav [aria-current="page"]') !== null, "the navigation does not say where one is");
    for (const control of document.querySelectorAll("button, a[href], [role=img], input:not([type=hidden])")) {
      const labels =
        control instanceof HTMLInputElement ? [...(control.labels ?? [])].map((label) => label.textContent).join("") : "";
      const name = [control.getAttribute("aria-label"), control.getAttribute("aria-labelledby"), control.textContent, labels]
        .join("")
        .trim();
      need(name !== "", `a control without a name: ${control.outerHTML.slice(0, 120)}`);
    }
    need(document.documentElement.scrollWidth <= innerWidth + 1, "the page scrolls sideways");
    return faults;
  });
}

/** Collects what must not happen: errors in the browser's log, failures, requests to other hosts. */
function watch(page: Page, url: string): { faults: string[]; requests: () => number } {
  const faults: string[] = [];
  const home = new URL(url).origin;
  let requests = 0;
  page.on("request", (request) => {
    requests += 1;
    if (new URL(request.url()).origin !== home) faults.push(`a request to another host: ${request.url()}`);
  });
  page.on("console", (message) => {
    // A filter that the server refuses is logged by the browser itself as a failed request; the page shows it properly.
    if (message.type() === "error" && !/status of 422/.test(message.text())) faults.push(`logged: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`threw: ${error.message}`));
  return { faults, requests: () => requests };
}
