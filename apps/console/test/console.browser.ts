import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { acts } from "./acts.browser.ts";
import { faultsOf, settled } from "./page-faults.browser.ts";

/**
 * Walks through the console of a running platform in a real browser, light, dark and narrow: every page has its one h1 and its
 * landmarks, controls have names, nothing is logged as an error, and no request leaves for another host. Throws at the end,
 * naming all that was wrong with each page.
 */
export type Visit = {
  /** The console's origin: `http://127.0.0.1:8080`. */
  url: string;
  /** A fresh one-time link, `/signin#…` or `/setup#…`. */
  signInUrl: string;
  /** A folder for the screenshots; made when missing. */
  shots: string;
  /** Left out on a platform where nothing has happened yet. */
  stage?: Stage;
};

type Staged = Visit & { stage: Stage };

/** What there is to be seen. */
export type Stage = { halted: string; waiting: string; bad: string; fresh: string; device: string };

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

type Stop = { path: string; h1: RegExp; name: string };

const pages: readonly Stop[] = [
  { path: "/", h1: /Overview/, name: "overview" },
  { path: "/kpis", h1: /KPIs/, name: "kpis" },
  { path: "/devices", h1: /Devices/, name: "devices" },
  { path: "/devices?filter=status:onlin", h1: /Devices/, name: "devices-filter-error" },
  { path: "/rollouts", h1: /Rollouts/, name: "rollouts" },
  { path: "/rollout-plans", h1: /Rollout plans/, name: "plans" },
  { path: "/rollout-plans/edit?name=careful", h1: /Plan careful/, name: "plan-edit" },
  { path: "/freezes", h1: /Freeze calendar/, name: "freezes" },
  { path: "/update-pins", h1: /Pins and exclusions/, name: "pins" },
  { path: "/releases", h1: /Releases/, name: "releases" },
  { path: "/metadata", h1: /Signed metadata/, name: "metadata" },
  { path: "/alerts", h1: /Alerts/, name: "alerts" },
  { path: "/enrollment", h1: /Enrollment/, name: "enrollment" },
  { path: "/audit", h1: /Audit/, name: "audit" },
  { path: "/access", h1: /Access/, name: "access" },
];

const tabs = ["telemetry", "commands", "updates", "identity", "connect", "logs"] as const;

function pagesOf({ halted, waiting, bad, fresh, device }: Stage): Stop[] {
  return [
    { path: `/rollouts/new?release=${fresh}&plan=canary`, h1: /New rollout/, name: "rollout-new" },
    { path: `/rollouts/${halted}`, h1: /pump 2.0.0/, name: "rollout-halted" },
    { path: `/rollouts/${halted}/halt-report`, h1: /Halt of pump 2.0.0/, name: "halt-report" },
    { path: `/rollouts/${waiting}`, h1: /pump 2.1.0/, name: "rollout-waiting" },
    { path: `/releases/${bad}`, h1: /pump 2.0.0/, name: "release-used" },
    { path: `/releases/${fresh}`, h1: /pump 2.2.0/, name: "release-fresh" },
    { path: `/devices/${device}`, h1: /./, name: "device-timeline" },
    ...tabs.map((tab) => ({ path: `/devices/${device}?tab=${tab}`, h1: /./, name: `device-${tab}` })),
  ];
}

export const walk = (visit: Visit): Promise<WalkReport> => inBrowser((browser) => walkThrough(browser, visit));

/** What an operator does, step by step; resolves to the sentences that came true. */
export const act = (visit: Staged & { secondUrl: string }): Promise<string[]> =>
  inBrowser(async (browser) => {
    const [owner, second] = [await signedIn(browser, visit.signInUrl), await signedIn(browser, visit.secondUrl)];
    const done: string[] = [];
    for (const [sentence, perform] of acts) {
      try {
        await perform({ page: owner.page, second: second.page, url: visit.url, stage: visit.stage, shots: visit.shots });
      } catch (error) {
        await owner.page.screenshot({ path: join(visit.shots, "act-failed.png") });
        throw new Error(`${sentence}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      done.push(sentence);
    }
    return done;
  });

async function inBrowser<T>(use: (browser: Browser) => Promise<T>): Promise<T> {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: chromiumFlags, timeout: 30_000 });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

const wide = { width: 1280, height: 860 };
const narrow = { width: 390, height: 844 };
const looks = [
  { name: "light", colorScheme: "light", viewport: wide },
  { name: "dark", colorScheme: "dark", viewport: wide },
  { name: "narrow", colorScheme: "light", viewport: narrow },
] as const;

async function walkThrough(browser: Browser, { url, signInUrl, shots, stage }: Visit): Promise<WalkReport> {
  await mkdir(shots, { recursive: true });
  const { page, context } = await signedIn(browser, signInUrl);
  const watched = watch(page, url);
  const taken: string[] = [];
  const faults: string[] = [];
  for (const { name: look, colorScheme, viewport } of stage === undefined ? looks.slice(0, 1) : looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    for (const { path, h1, name } of [...pages, ...(stage === undefined ? [] : pagesOf(stage))]) {
      await page.goto(new URL(path, url).href);
      await page.getByRole("heading", { level: 1, name: h1 }).waitFor();
      await settled(page);
      const found = [...(await faultsOf(page)), ...watched.faults.splice(0)];
      if (found.length > 0) faults.push(`${path} in ${look}: ${found.join("; ")}`);
      const file = join(shots, `${name}-${stage === undefined ? "empty" : look}.png`);
      await page.screenshot({ path: file, fullPage: true });
      taken.push(file);
    }
  }
  await context.close();
  if (faults.length > 0) throw new Error(faults.join("\n"));
  return { pages: taken.length, shots: taken, requests: watched.requests() };
}

async function signedIn(browser: Browser, link: string): Promise<{ page: Page; context: BrowserContext }> {
  const context = await browser.newContext({ viewport: wide, colorScheme: "light" });
  context.setDefaultTimeout(45_000);
  const page = await context.newPage();
  await signIn(page, link);
  return { page, context };
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
