import type { DeploymentState } from "@tenfold/contracts";
import type { StoredRollout } from "../store.ts";
import type { Image } from "./device.ts";
import type { Facts } from "./judge.ts";
import type { Disk, Row } from "./memory-disk.ts";

/** Written out once more on purpose: a judge that took it from what it judges would share its mistakes. */
export const flying: ReadonlySet<DeploymentState> = new Set([
  "offered",
  "downloading",
  "downloaded",
  "verified",
  "installing",
  "rebooting",
  "validating",
]);
export const isOpen = ({ state }: Pick<Row, "state">): boolean => flying.has(state) || state === "queued";

type Ending = {
  /** What a device runs in truth; undefined where it runs no more. */
  alive: (device: string) => Image | undefined;
  facts: Pick<Facts, "hasClone" | "fallsBackLater">;
  say: (what: string) => void;
};

/** After the faults have ended and everybody has had time. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
export function inspectEnd(disk: Disk, { alive, facts, say }: Ending): void {
  for (const { id, phase, endedAt } of disk.rollouts.values()) if (endedAt === undefined) say(`${id} is stuck: ${phase}`);
  const rows = [...disk.rows.values()];
  for (const row of rows) if (isOpen(row)) say(`${row.device} is stuck: ${row.state} ${row.block?.code ?? ""}`);
  for (const rollout of disk.rollouts.values()) {
    const mine = rows.filter((row) => row.rollout === rollout.id);
    const first = new Set(mine.filter((row) => !row.rollback && row.attempt === 1).map(({ device }) => device));
    if (first.size !== rollout.targets) say(`${rollout.id} lost devices: ${first.size} of ${rollout.targets}`);
    for (const row of mine)
      if (row.state === "succeeded" && !row.retried && !row.rollback && row.sha256 !== rollout.release.sha256)
        say(`${row.device} counts as updated by a stepping stone`);
    for (const device of first) {
      const ends = mine.filter((row) => row.device === device && !row.rollback && !row.retried).length;
      if (ends !== 1) say(`${device} has ${ends} outcomes`);
    }
    if (rollout.phase !== "rolled_back" || isRolledOutAgain(disk, rollout.id)) continue;
    for (const device of first) {
      const image = alive(device);
      if (image?.hash !== rollout.release.sha256 || wasOfferedLater(disk, device, rollout)) continue;
      // An earlier rollout of it may have said so already.
      const excuses = rows.filter(
        (row) =>
          row.rollback &&
          row.device === device &&
          row.state !== "succeeded" &&
          disk.rollouts.get(row.rollout)?.release.id === rollout.release.id,
      );
      // That there was nothing to undo is no excuse, but for a device for which two speak, or that left a newer release by itself
      // later; unless it was led there.
      const led = rows.some(
        (row) => row.device === device && row.rollback && row.sha256 === image.hash && row.state === "succeeded",
      );
      const excused = facts.hasClone(device) || (facts.fallsBackLater(device) && !led);
      if (!excuses.some(({ reason }) => reason !== "superseded" || excused))
        say(`${device} keeps a release that was rolled back, and nobody says so`);
    }
  }
}

/** Somebody has decided for the release anew since, and it goes on or went well. */
export function isRolledOutAgain(disk: Disk, id: string): boolean {
  const mine = disk.rollouts.get(id);
  return [...disk.rollouts.values()].some(
    ({ release, createdAt, phase }) =>
      release.id === mine?.release.id && createdAt > mine.createdAt && ["running", "paused", "completed"].includes(phase),
  );
}

/** What it runs is a later rollout's doing, and to be looked for there. */
const wasOfferedLater = (disk: Disk, device: string, { release, createdAt }: StoredRollout): boolean =>
  [...disk.rows.values()].some((row) => {
    const by = disk.rollouts.get(row.rollout);
    return row.device === device && row.offeredAt !== undefined && by?.release.id === release.id && by.createdAt > createdAt;
  });
