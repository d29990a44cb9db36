import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { EnrolledDevice } from "../../../bench/fleet.ts";
import { type DdiClient, ddiClient } from "../../../conformance/ddi/client.ts";
import type { Diary } from "./diary.ts";
import { cancelMannersOf, fateOf } from "./fates.ts";
import type { PlayedDevice, Setting } from "./setting.ts";

/** How long a device that fell silent is heard of no more. */
const silentMs = 50_000;

/** An update as this client knows it. It keeps no list of what it did before: that it is not told twice is the platform's to see to. */
type Work = { action: string; version: string; readyAt?: number };
/** Something to be told until it is acknowledged. `darkMs`: it is the end of an installation, and the device reboots for so long. */
type Owed = { path: string; execution: string; finished: string; means: string; action: string; darkMs?: number };

/** A device that speaks nothing but DDI, with the manners of a simple client: what it is shown it does, as often as it is shown it. */
export function startDdiDevice(setting: Setting, device: EnrolledDevice): PlayedDevice {
  const life = new DdiLife(setting, device);
  const living = life.live();
  return {
    async stop() {
      life.stopped = true;
      await living;
    },
  };
}

class DdiLife {
  stopped = false;
  private readonly client: DdiClient;
  private readonly diary: Diary;
  private readonly id: string;
  private readonly setting: Setting;
  private running = { version: "0.0.1", bootId: randomUUID() as string };
  private next: { version: string; fate: "runs" | "fallsBack" } | undefined;
  private attributes: "owed" | "told" = "owed";
  private owed: Owed | undefined;
  private work: Work | undefined;
  private failedOnce = new Set<string>();
  private darkUntil = 0;

  constructor(setting: Setting, device: EnrolledDevice) {
    this.setting = setting;
    this.diary = setting.diary;
    this.id = device.id;
    this.client = ddiClient(setting.doors, device);
  }

  async live(): Promise<void> {
    while (!this.stopped) {
      await pause(150 + this.setting.chance() * 350);
      if (Date.now() < this.darkUntil) continue;
      // Nobody answers while the platform is away: it is asked again.
      await this.turn().catch(() => {});
    }
    this.client.close();
  }

  private async turn(): Promise<void> {
    if (this.attributes === "owed") return this.tellAttributes();
    if (this.owed) return this.tell(this.owed);
    const { status, json } = await this.client.ask("");
    if (status !== 200) return;
    const { configData, cancelAction, deploymentBase } = json._links;
    if (configData) this.attributes = "owed";
    if (cancelAction) return this.cancel(cancelAction.href);
    if (deploymentBase) return this.goOn(deploymentBase.href);
    this.work = undefined;
  }

  private async tellAttributes(): Promise<void> {
    const { version, bootId } = this.running;
    const body = { mode: "merge", data: { firmware_version: version, boot_id: bootId, model: this.setting.model } };
    const { status } = await this.client.ask("/configData", { method: "PUT", body });
    if (status !== 200) return;
    this.attributes = "told";
    this.diary.note({ device: this.id, did: "proved", version });
  }

  private async tell({ path, execution, finished, means, action, darkMs }: Owed): Promise<void> {
    const body = { id: action, status: { execution, result: { finished }, details: [`It says ${execution}.`] } };
    const { status } = await this.client.ask(`${path}/feedback`, { method: "POST", body });
    // A closed action takes no more of what only tells of progress.
    if (status !== 200 && status !== 404 && status !== 410) return;
    this.owed = undefined;
    if (status === 200) this.diary.note({ device: this.id, did: "told", deployment: action, state: means });
    if (darkMs !== undefined) this.reboot(darkMs);
  }

  private reboot(darkMs: number): void {
    const { next } = this;
    this.next = this.work = undefined;
    if (next) this.running = { version: next.fate === "runs" ? next.version : this.running.version, bootId: randomUUID() };
    this.diary.note({ device: this.id, did: "started", version: this.running.version });
    this.attributes = "owed";
    this.darkUntil = Date.now() + darkMs;
  }

  private async cancel(href: string): Promise<void> {
    const { status, json } = await this.client.askUrl(href);
    if (status !== 200) return;
    const action = String(json.id);
    const manners = cancelMannersOf(this.id, this.work?.version ?? "");
    if (manners === "ignores") return;
    const refuses = manners === "refuses" && this.work?.action === action;
    this.owed = {
      path: `/cancelAction/${action}`,
      execution: refuses ? "rejected" : "closed",
      finished: refuses ? "none" : "success",
      means: refuses ? "cancel_refused" : "cancelled",
      action,
    };
    if (!refuses) this.work = undefined;
  }

  /** One step of an update a turn, so that a cancellation can come between. */
  private async goOn(href: string): Promise<void> {
    const { status, json } = await this.client.askUrl(href);
    if (status !== 200) return;
    const action = String(json.id);
    const [{ version, artifacts }] = json.deployment.chunks;
    if (this.work?.action !== action) this.work = { action, version };
    if (this.work.readyAt === undefined) return this.fetch(artifacts[0]);
    if (Date.now() >= this.work.readyAt) this.install(this.work);
  }

  private async fetch(artifact: { hashes: { sha256: string }; _links: { download: { href: string } } }): Promise<void> {
    const { status, bytes } = await this.client.askUrl(artifact._links.download.href);
    const whole = status === 200 && createHash("sha256").update(bytes).digest("hex") === artifact.hashes.sha256;
    if (!whole || this.work === undefined) return;
    const { action } = this.work;
    this.work.readyAt = Date.now() + this.setting.chance() * 3_000;
    const path = `/deploymentBase/${action}`;
    this.owed = { path, execution: "downloaded", finished: "none", means: "downloaded", action };
  }

  private install({ action, version }: Work): void {
    const fate = fateOf(this.id, version);
    const told = (execution: string, finished: string, means: string) => ({
      ...{ path: `/deploymentBase/${action}`, execution, finished, means, action },
    });
    if (fate === "fails" || (fate === "flaky" && !this.failedOnce.has(version))) {
      this.failedOnce.add(version);
      this.owed = told("closed", "failure", "failed");
      this.work = undefined;
      return;
    }
    this.diary.note({ device: this.id, did: "installed", deployment: action, version });
    this.next = { version, fate: fate === "fallsBack" ? "fallsBack" : "runs" };
    const darkMs = fate === "silent" ? silentMs : 300 + this.setting.chance() * 1_200;
    this.owed = { ...told("closed", "success", "rebooting"), darkMs };
  }
}
