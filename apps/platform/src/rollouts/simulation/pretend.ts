/** What the engine asks others for, pretended: the registry as far as it hears, and releases. */
import { createHash } from "node:crypto";
import { seconds } from "@tenfold/base";
import { evaluate, type FilterSubject, parseFilter } from "@tenfold/query";
import type { DevicePicture, RolloutsDeps } from "../deps.ts";
import type { Beat, Image } from "./device.ts";
import type { Scenario } from "./scenario.ts";

export const epoch = Date.UTC(2026, 5, 1, 11, 0);
const hashOf = (version: string): string => createHash("sha256").update(`image ${version}`).digest("hex");
export const imageOf = (version: string): Image => ({ version, hash: hashOf(version) });

/** As the registry keeps it: the newest heartbeat, and boots that were followed by another, of which what they say comes late. */
export type Heard = { at: number; beatAt: number; firmware: Beat["firmware"]; seq: number; boot: string; past: readonly string[] };
const leaseMs = seconds(100);

export function heardAfter(known: Heard | undefined, { bootId, firmware, seq }: Beat, at: number): Heard {
  const heard = { at, beatAt: at, firmware, seq, boot: bootId };
  if (known === undefined) return { ...heard, past: [] };
  if (known.past.includes(bootId) && at <= known.beatAt + leaseMs) return { ...known, at };
  const { past, boot } = known;
  return { ...heard, past: bootId === boot ? past : [...past.filter((id) => id !== bootId), boot] };
}

export function registryOf(run: {
  scenario: Scenario;
  heard: Map<string, Heard>;
  joinedAt: Map<string, number>;
  now: number;
}): RolloutsDeps["registry"] {
  type Picture = Awaited<ReturnType<RolloutsDeps["registry"]["pictures"]>>[number];
  const pictureOf = (id: string): Picture | undefined => {
    const device = run.scenario.devices.find((one) => one.id === id);
    if (device === undefined || !run.joinedAt.has(id)) return undefined;
    const known = run.heard.get(id);
    const online = known !== undefined && run.now - known.at < leaseMs;
    const picture: DevicePicture = {
      ...{ id, lifecycle: "active", model: device.model, tags: device.tags, connectivity: { is: online ? "online" : "offline" } },
      power: { source: "battery", level: device.battery },
      ...(known ? { lastContactAt: known.at } : {}),
      ...(known ? { firmware: known.firmware, bootId: known.boot, pastBoots: [...known.past], seq: known.seq } : {}),
    };
    // The engine reads no more of it than this.
    return picture as Picture;
  };
  const subjectOf = ({ id, model, tags, firmware }: Picture): FilterSubject => ({
    ...{ id, fleet: "main", lifecycle: "active", status: "online", groups: [], tags },
    ...(model === undefined ? {} : { model }),
    ...(firmware ? { firmwareVersion: firmware.version } : {}),
  });
  return {
    pictures: async (_scope, ids) => ids.flatMap((id) => pictureOf(id) ?? []),
    async select(_scope, text, { among, changedSince = 0 } = {}) {
      const filter = parseFilter(text);
      const ids = run.scenario.devices.map(({ id }) => id).filter((id) => among?.includes(id) ?? true);
      return ids
        .filter((id) => (run.joinedAt.get(id) ?? 0) >= changedSince)
        .flatMap((id) => pictureOf(id) ?? [])
        .filter((picture) => evaluate(filter, subjectOf(picture), run.now));
    },
  };
}

export function releasesOf({ stoneOf }: Pick<Scenario, "stoneOf">): RolloutsDeps["releases"] {
  type Release = NonNullable<Awaited<ReturnType<RolloutsDeps["releases"]["get"]>>>;
  const release = (version: string): Release => {
    const stone = stoneOf[version];
    const statement = {
      type: "tenfold.release.v1" as const,
      name: "fw",
      version,
      models: [],
      artifact: { sha256: hashOf(version), size: 10 },
      signedAt: new Date(epoch).toISOString(),
      ...(stone === undefined ? {} : { mustPassThrough: [stone] }),
    };
    return {
      ...{ id: `rel_${version}`, name: "fw", version, models: [], signedBy: [], notes: "", channel: "stable", createdAt: epoch },
      artifact: { sha256: hashOf(version), size: 10, createdAt: epoch },
      envelope: { signed: statement, signatures: [{ keyid: "0".repeat(64), sig: "0" }] },
    };
  };
  const known = new Map(
    ["1", "2", "3"].flatMap((version) => [[version, release(version)] as const, [`rel_${version}`, release(version)] as const]),
  );
  return {
    get: async (_on, _scope, named) => known.get(named.replace(/^fw@/, "")),
    usability: async () => ({ is: "usable" }),
    markUsed: async () => undefined,
    running: async (_on, _scope, firmware) => firmware.map(({ version }) => known.get(version)),
  };
}
