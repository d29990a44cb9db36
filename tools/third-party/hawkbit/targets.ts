/** hawkBit's targets as devices of the platform. A target that is deleted is retired; one that is added again comes back and enrolls anew. */
import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Agent } from "node:https";
import { Problem } from "@tenfold/base";
import { type ApiClient, api as operations } from "@tenfold/contracts";
import type { RunningPlatform } from "../../running-platform.ts";
import { enrollByCode } from "../shell-device.ts";
import { agentFor, askAsDevice, type DevicePort } from "./as-device.ts";

export type Target = {
  id: string;
  /** What the client shows in place of the certificate. The platform never sees it. */
  token: string;
  agent: Agent;
};

export type Targets = {
  add(id: string, token?: string): Promise<Target>;
  /** Throws where there is none. */
  get(id: string): Target;
  find(id: string): Target | undefined;
  remove(id: string): Promise<void>;
};

/** What runs on a target when it comes. Its client's attributes name no version, so a heartbeat does (DDI 8.4). */
const firstVersion = "0.9.0";

export function createTargets(platform: RunningPlatform, { api, port }: { api: ApiClient; port: DevicePort }): Targets {
  const targets = new Map<string, Target>();
  return {
    async add(id, token = randomBytes(16).toString("hex")) {
      if (await isKnown(api, id)) await api.call(operations.returnDevice, { params: { id }, body: { reason: "added again" } });
      const { key, cert } = await enrollByCode(platform, id);
      const identity = { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
      const target = { id, token, agent: agentFor(port, identity) };
      await askAsDevice(port, { method: "POST", path: "/v1/heartbeat", agent: target.agent, body: heartbeat() });
      targets.set(id, target);
      return target;
    },
    get(id) {
      const found = targets.get(id);
      if (found === undefined) throw new Error(`there is no target ${id}`);
      return found;
    },
    find: (id) => targets.get(id),
    async remove(id) {
      await api.call(operations.retireDevice, { params: { id }, body: { reason: "deleted" } });
      targets.get(id)?.agent.destroy();
      targets.delete(id);
    },
  };
}

async function isKnown(api: ApiClient, id: string): Promise<boolean> {
  try {
    await api.call(operations.getDevice, { params: { id } });
    return true;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  }
}

const heartbeat = () => ({
  ...{ seq: 1, bootId: randomUUID(), uptimeS: 10, monoS: 10, leaseS: 120, clock: "none" },
  firmware: { version: firstVersion, state: "confirmed" },
});
