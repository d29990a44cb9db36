/** hawkBit's actions as deployments: each assignment is a rollout to the one device. */
import { copyFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { DeploymentState, PlanTemplate } from "@tenfold/contracts";
import { type ApiClient, api as operations } from "@tenfold/contracts";
import type { RunningPlatform } from "../../running-platform.ts";
import { deploymentOf, releaseFile, startRollout } from "../ddi.ts";
import { eventually } from "../steps.ts";
import { askAsDevice, type DevicePort } from "./as-device.ts";
import type { Targets } from "./targets.ts";

export type Shown = {
  id: number;
  type: "update" | "cancel";
  status: StatusType;
  /** The newest status: as what it stands, and what the device said last. */
  newest: { type: StatusType; messages: string[] };
};

export type Actions = {
  /** Releases the file and rolls it out to the target; resolves to the number by which the target knows it. */
  assign(target: string, file: string, when?: "window" | "now"): Promise<number>;
  show(action: number): Promise<Shown | undefined>;
  /** The target is told to stop. */
  cancel(action: number): Promise<void>;
  /** hawkBit's `force=true`, which the platform has not: the front answers for the board that is given up. */
  giveUp(action: number): Promise<void>;
};

type StatusType = "running" | "downloaded" | "finished" | "error" | "canceled";

/** hawkBit's word for where a deployment stands. An installer's success is `finished` there and not yet success here (DDI 8.1). */
const statusOf: Readonly<Record<DeploymentState, StatusType>> = {
  queued: "running",
  offered: "running",
  downloading: "running",
  downloaded: "downloaded",
  verified: "running",
  installing: "running",
  rebooting: "finished",
  validating: "finished",
  succeeded: "finished",
  failed: "error",
  rolled_back: "error",
  unresponsive: "error",
  skipped: "canceled",
  cancelled: "canceled",
};

/**
 * Windows are said in minutes and last a quarter of an hour at least; the tests want one that opens 15 s from now. It waits until a minute begins so
 * soon, and has the window open with that.
 */
async function soonInWindow(): Promise<Pick<PlanTemplate, "windows" | "download">> {
  const [minute, soonest, latest] = [60_000, 20_000, 26_000];
  const left = () => minute - (Date.now() % minute);
  while (left() > latest || left() < soonest) await wait(500);
  const opens = Date.now() + left();
  const clock = (at: number) => new Date(at).toISOString().slice(11, 16);
  return { download: "ahead", windows: [{ from: clock(opens), to: clock(opens + 20 * minute), zone: "UTC" }] };
}

type Needs = { api: ApiClient; port: DevicePort; key: string; targets: Targets };
type Poll = { _links: { deploymentBase?: { href: string }; cancelAction?: { href: string } } };

export function createActions(platform: RunningPlatform, { api, port, key, targets }: Needs): Actions {
  const known = new Map<number, { rollout: string; target: string }>();
  let released = 0;
  const base = (target: string) => `/DEFAULT/controller/v1/${target}`;
  const ask = (target: string, path: string, body?: unknown) =>
    askAsDevice(port, {
      // [DDI 4.8] In the client's place under the client's name.
      headers: { "User-Agent": "rauc-hawkbit-c-agent/1.0" },
      ...{ method: body === undefined ? "GET" : "POST", path, agent: targets.get(target).agent },
      ...(body === undefined ? {} : { body }),
    });
  const rolloutOf = (action: number): { rollout: string; target: string } => {
    const found = known.get(action);
    if (found === undefined) throw new Error(`there is no action ${action}`);
    return found;
  };

  return {
    async assign(target, file, when = "now") {
      released += 1;
      const version = `1.0.${released}`;
      const copy = `${file}.${version}`;
      await copyFile(file, copy);
      await releaseFile(platform, { file: copy, key, version });
      const rollout = await startRollout(platform, version, target, when === "window" ? await soonInWindow() : {});
      const action = await numberOf(target);
      known.set(action, { rollout, target });
      return action;
    },
    async show(action) {
      const found = known.get(action);
      if (found === undefined) return undefined;
      const { state, detail, log } = await deploymentOf(platform, found.target, found.rollout);
      const status = statusOf[state as DeploymentState];
      const messages = [...new Set([...(detail === undefined ? [] : [detail]), ...log.toReversed()])];
      return { id: action, type: status === "canceled" ? "cancel" : "update", status, newest: { type: status, messages } };
    },
    async cancel(action) {
      const { rollout } = rolloutOf(action);
      await api.call(operations.cancelRollout, { params: { id: rollout }, body: { reason: "cancelled" } });
    },
    async giveUp(action) {
      const { target } = rolloutOf(action);
      const { _links } = (await ask(target, base(target))) as Poll;
      if (_links.cancelAction === undefined) return;
      await ask(target, `${base(target)}/cancelAction/${action}/feedback`, {
        status: { execution: "closed", result: { finished: "success" }, details: ["Given up."] },
      });
    },
  };

  /** A deployment gets its number when its device first asks; the front asks once, as a client does that was ended right after it read. */
  async function numberOf(target: string): Promise<number> {
    let action = 0;
    await eventually(async () => {
      const { _links } = (await ask(target, base(target))) as Poll;
      const { href } = _links.deploymentBase ?? {};
      if (href === undefined) throw new Error(`nothing was offered to ${target}`);
      const { pathname } = new URL(href);
      await ask(target, pathname);
      action = Number(pathname.split("/").at(-1));
    });
    return action;
  }
}
