import { join } from "node:path";
import type { Page } from "playwright-core";
import type { Stage } from "./console.browser.ts";
import { settled, unseenFocus } from "./page-faults.browser.ts";

/** One person's page, and that of a second one. */
type Scene = { page: Page; second: Page; url: string; stage: Stage; shots: string };
type Act = readonly [sentence: string, perform: (scene: Scene) => Promise<void>];

const visit = async (page: Page, { url }: Scene, path: string): Promise<void> => {
  await page.goto(new URL(path, url).href);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await settled(page);
};

const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true }).first().click();

/** Confirms what a dialog asks, with a reason where it wants one. */
async function confirm(page: Page, verb: string, reason?: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (reason !== undefined) await dialog.getByRole("textbox", { name: /Reason/ }).fill(reason);
  await dialog.getByRole("button", { name: verb, exact: true }).click();
  await dialog.waitFor({ state: "hidden" });
}

async function undo(page: Page, says: RegExp): Promise<void> {
  const offer = page.getByRole("status").filter({ hasText: says });
  await offer.getByRole("button", { name: "Undo" }).click();
  await offer.getByRole("button", { name: "Undo" }).waitFor({ state: "hidden" });
}

const see = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor();

function need(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

export const acts: readonly Act[] = [
  [
    "a release is promoted to another channel, back by undo, and again",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/releases/${stage.fresh}`);
      await press(page, "Promote to stable");
      await confirm(page, "Promote to stable");
      await undo(page, /It is in the channel stable/);
      await press(page, "Promote to stable");
      await confirm(page, "Promote to stable");
      await see(page, /In the channel stable/);
    },
  ],
  [
    "a stored plan fills the form, a fault is said at its field, and the dry run says who, how many bytes, how long and the worst case",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/rollouts/new?release=${stage.fresh}`);
      await page.getByRole("combobox", { name: "Plan" }).click();
      await page.getByRole("option", { name: /careful/ }).click();
      need((await page.getByLabel("Approvals", { exact: true }).inputValue()) === "2", "the plan did not fill the form");
      await page.getByLabel("Deadline").fill("soon");
      await see(page, "A length of time such as 1h or 30m.");
      await page.getByLabel("Deadline").fill("2m");
      // Another rollout of the same weight waits for an approval and has all devices.
      await see(page, /is part of another rollout of the same weight/);
      await page.getByText("Pace", { exact: true }).click();
      await page.getByLabel("Weight").fill("130");
      for (const name of ["Devices", "Sent in all", "Takes about", "Worst case exposed"])
        await page.getByRole("term").filter({ hasText: name }).first().waitFor();
      await see(page, /2 approvals of others are needed/);
    },
  ],
  [
    "a rollout is started from the form, says what cancelling and rolling back would do, is paused with a reason, and the pause is undone at once",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/rollouts/new?release=${stage.fresh}`);
      await page.getByLabel("Devices").first().fill("tag:site=nowhere");
      await page.getByLabel("Soak").fill("10m");
      await see(page, "No device would get it.");
      await page.getByRole("button", { name: "Start the rollout", exact: true, disabled: true }).waitFor();
      await page.getByLabel("Devices").first().fill("");
      await page.getByText("Pace", { exact: true }).click();
      await page.getByLabel("Weight").fill("120");
      await press(page, "Start the rollout");
      await page.getByRole("heading", { level: 1, name: "pump 2.2.0" }).waitFor();
      for (const [verb, name] of [
        ["Cancel", "cancel"],
        ["Roll back", "rollback"],
      ] as const) {
        await press(page, verb);
        const dialog = page.getByRole("dialog");
        await dialog.getByText(/cannot be undone/).waitFor();
        await dialog.getByText(/\d+ devices? /).waitFor();
        await page.screenshot({ path: join(scene.shots, `dialog-${name}.png`) });
        await dialog.getByRole("button", { name: "Close", exact: true }).click();
        await dialog.waitFor({ state: "hidden" });
      }
      await press(page, "Pause");
      await confirm(page, "Pause", "looking at something");
      await see(page, "looking at something");
      await undo(page, /The rollout is paused/);
      await see(page, /taken back at once in the console/);
    },
  ],
  [
    "its author cannot approve a plan, a second person can, and the page says what the approval is for",
    async (scene) => {
      const { page, second, stage } = scene;
      await visit(page, scene, `/rollouts/new?release=${stage.fresh}&plan=careful`);
      await page.getByLabel("Weight").first().waitFor({ state: "attached" });
      await page.getByText("Pace", { exact: true }).click();
      await page.getByLabel("Weight").fill("150");
      await page.getByLabel("Approvals", { exact: true }).fill("1");
      await see(page, /1 approval of others/);
      await press(page, "Start the rollout");
      await page.getByRole("heading", { level: 1, name: "pump 2.2.0" }).waitFor();
      await page.getByRole("heading", { name: /Approvals: 0 of 1/ }).waitFor();
      await press(page, "Approve");
      await page
        .getByRole("dialog")
        .getByRole("textbox", { name: /Reason/ })
        .fill("I trust myself");
      await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
      await see(page, /cannot approve it/);
      await second.goto(page.url());
      await press(second, "Approve");
      await confirm(second, "Approve", "read the plan");
      await see(second, /Approved by|bob approved it/);
    },
  ],
  [
    "a freeze is put into the calendar, holds every rollout, and is taken out by undo",
    async (scene) => {
      const { page } = scene;
      await visit(page, scene, "/freezes");
      await page.getByRole("main").getByLabel(/^To/).fill("2099-01-01T00:00");
      await page.getByLabel("Reason").fill("everybody is away");
      await press(page, "Freeze");
      await page.getByRole("table", { name: "Freezes" }).getByText("everybody is away").waitFor();
      await page.getByRole("table", { name: "Freeze calendar" }).getByText("everybody is away").first().waitFor();
      await undo(page, /The freeze is in the calendar/);
      await page.getByRole("row", { name: /Taken out.*everybody is away/ }).waitFor();
    },
  ],
  [
    "what binds every rollout is changed, and back by undo",
    async (scene) => {
      const { page } = scene;
      await visit(page, scene, "/freezes");
      await page.getByLabel("At once, in all rollouts together").fill("700");
      await press(page, "Change");
      await confirm(page, "Change");
      await undo(page, /What binds every rollout is changed/);
      await page.waitForFunction(() => document.querySelectorAll<HTMLInputElement>("input[value='700']").length === 0);
    },
  ],
  [
    "a device is pinned from its own page, and the pin is lifted",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/devices/${stage.device}?tab=updates`);
      await page.getByRole("heading", { name: "Why not updated?" }).waitFor();
      await page.getByRole("link", { name: /Pin this device/ }).click();
      need(
        (await page.getByRole("textbox", { name: "Devices" }).inputValue()) === `id:${stage.device}`,
        "the filter was not filled in",
      );
      await page.getByLabel("Reason").fill("looked at by hand");
      await press(page, "Pin");
      const row = page.getByRole("row", { name: new RegExp(`id:${stage.device}.*looked at by hand`) });
      await row.getByRole("button", { name: "Lift" }).click();
      await confirm(page, "Lift");
      await row.getByText(/lifted/).waitFor();
    },
  ],
  [
    "a copy of a built-in plan is stored under a name of its own, deleted, and back by undo",
    async (scene) => {
      const { page } = scene;
      await visit(page, scene, "/rollout-plans/edit?name=canary");
      await page.getByRole("textbox", { name: /^Name/ }).fill("night");
      await page.getByLabel("What it is for").fill("While nobody pumps");
      await press(page, "Store the plan");
      const row = page.getByRole("row", { name: /While nobody pumps/ });
      await row.getByRole("button", { name: "Delete" }).click();
      await confirm(page, "Delete");
      await row.waitFor({ state: "hidden" });
      await undo(page, /The plan night is deleted/);
      await row.getByText("While nobody pumps").waitFor();
    },
  ],
  [
    "a halted rollout shows the evidence of its gates, its crashes with their frames, and comes out the same when it is decided again",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/rollouts/${stage.halted}`);
      const halted = page
        .getByRole("listitem")
        .filter({ hasText: /^Halted/ })
        .first();
      await halted.getByText(/^Evidence of/).click();
      await halted.getByRole("img", { name: /Harmed share: .* halts above/ }).waitFor();
      const crashes = page.getByRole("table", { name: "Crash signatures" });
      await crashes
        .getByText(/pump_set_rate/)
        .first()
        .waitFor();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        crashes.getByRole("link", { name: /Bytes/ }).first().click(),
      ]);
      need(download.suggestedFilename().includes(stage.device), `the download is called ${download.suggestedFilename()}`);
      await press(page, "Decide again");
      await see(page, "The same");
      await page.getByRole("link", { name: "Read the halt report" }).click();
      await page.getByRole("heading", { level: 1, name: "Halt of pump 2.0.0" }).waitFor();
      for (const name of ["What to do next", "First failure", "What the gates saw", "Crashes", "Timeline"])
        await page.getByRole("heading", { level: 2, name }).waitFor();
    },
  ],
  [
    "the halt report prints on white paper, without navigation and buttons, on few pages",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/rollouts/${stage.halted}/halt-report`);
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      need(!(await page.getByRole("navigation", { name: "Main" }).isVisible()), "the navigation is on paper");
      need(!(await page.getByRole("button", { name: "Print" }).isVisible()), "a button is on paper");
      await page.screenshot({ path: join(scene.shots, "halt-report-print.png"), fullPage: true });
      const ground = await page.evaluate(() => getComputedStyle(document.body).colorScheme);
      need(ground.includes("light"), `paper is ${ground}`);
      const pdf = (await page.pdf({ format: "A4", printBackground: true })).toString("latin1");
      const sheets = pdf.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
      need(sheets >= 1 && sheets <= 5, `it takes ${sheets} sheets`);
      await page.emulateMedia({ media: "screen", colorScheme: "light" });
    },
  ],
  [
    "the metadata page says who signs what, for how long, with which threshold, and shows a file letter for letter",
    async (scene) => {
      const { page } = scene;
      await visit(page, scene, "/metadata");
      const image = page.getByRole("table", { name: "Roles of the image repository" });
      await image.getByRole("row", { name: /root.*offline keys.*1 of 1/ }).waitFor();
      await image.getByRole("row", { name: /targets.*Good.*offline keys/ }).waitFor();
      await image.getByText("Show", { exact: true }).first().click();
      await image.getByText('"_type": "root"').waitFor();
    },
  ],
  [
    "a release shows what is in it and where it was rolled out; it is retired, and back by undo; its SBOM stays once a rollout used it",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/releases/${stage.bad}`);
      await page.getByRole("table", { name: "Components" }).getByText("openssl", { exact: true }).waitFor();
      need((await page.getByRole("button", { name: "Detach" }).count()) === 0, "what a rollout used can be detached");
      await page.getByRole("table", { name: "Rollouts of this release" }).getByRole("link", { name: stage.halted }).waitFor();
      await press(page, "Retire");
      await page
        .getByRole("dialog")
        .getByText(/No new rollout may use it\..*It can be reinstated\./)
        .waitFor();
      await confirm(page, "Retire", "it bricks");
      await undo(page, /is retired/);
      await page.getByRole("button", { name: "Retire" }).waitFor();
    },
  ],
  [
    "every place of the planning form is reached by the tab key, and shows that it has the focus",
    async (scene) => {
      const { page, stage } = scene;
      await visit(page, scene, `/rollouts/new?release=${stage.fresh}`);
      const unseen = await unseenFocus(page, 45);
      need(unseen.length === 0, unseen.join("; "));
      await visit(page, scene, `/rollouts/${stage.halted}`);
      const more = await unseenFocus(page, 40);
      need(more.length === 0, more.join("; "));
    },
  ],
];
