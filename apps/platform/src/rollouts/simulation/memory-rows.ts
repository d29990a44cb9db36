import type { RolloutPhase, StageProgress } from "@tenfold/contracts";
import type { StoredRollout } from "../store.ts";
import type { StoredStage } from "../tallies.shell.ts";
import { type Disk, type Row, rowsOf } from "./memory-disk.ts";

export const inPlace = (a: Row, b: Row): number => a.place - b.place || a.attempt - b.attempt;

/** Boots that earlier updates of the device knew. */
export function bootsBefore(rows: readonly Row[], { id, device }: Row): string[] {
  const earlier = rows.filter((row) => row.device === device && row.id !== id && row.offeredAt !== undefined);
  const latest = earlier.toSorted((a, b) => (b.offeredAt ?? 0) - (a.offeredAt ?? 0)).slice(0, 10);
  return [...new Set(latest.flatMap(({ boots, bootId }) => (bootId === undefined ? boots : [...boots, bootId])))].toSorted();
}

/** What was said before the device's last verified boot, where its numbers can be relied on. */
export function floorOf(rows: readonly Row[], { id, device }: Row): number | undefined {
  const verified = rows.filter((row) => row.device === device && row.id !== id && row.verifiedAt !== undefined);
  const [latest] = verified.toSorted((a, b) => (b.verifiedAt ?? 0) - (a.verifiedAt ?? 0));
  return latest?.numbered ? latest.seq : undefined;
}

export type Placing = { id: string; device: string; stage: number; place: number; stratum: string; delayMs: number };

export const newRow = ({ id: rollout, release }: Pick<StoredRollout, "id" | "release">, place: Placing): Row => ({
  ...place,
  rollout,
  ...{ rollback: false, attempt: 1, release: release.id, version: release.version, sha256: release.sha256 },
  ...{ state: "queued", retried: false, lookAgainAt: 0, log: [], boots: [] },
});

export const timesOf = (state: StageProgress["state"], at: number): Partial<StoredStage> => ({
  ...(state === "running" ? { startedAt: at } : {}),
  ...(state === "passed" ? { passedAt: at } : {}),
});

export function rivalOf(
  row: Row,
  others: readonly Row[],
  { rollouts, weight, except }: { rollouts: ReadonlyMap<string, StoredRollout>; weight: number; except: readonly string[] },
): { rollout: string; rollback: boolean; weight: number } | undefined {
  const rivals = others.flatMap((other) => {
    const rollout = rollouts.get(other.rollout);
    if (other.state !== "queued" || other.rollout === row.rollout || rollout === undefined) return [];
    const returns = other.rollback && rollout.phase === "rolling_back";
    const first = row.rollback
      ? returns && other.sha256 === rollouts.get(row.rollout)?.release.sha256 && rollout.release.sha256 !== row.sha256
      : returns || (!other.rollback && rollout.phase === "running" && rollout.weight > weight && !except.includes(rollout.id));
    return first ? [{ rollout: rollout.id, rollback: other.rollback, weight: rollout.weight }] : [];
  });
  return rivals.toSorted(
    (a, b) => Number(b.rollback) - Number(a.rollback) || b.weight - a.weight || (a.rollout < b.rollout ? -1 : 1),
  )[0];
}

/** The last rollout of each release. */
export function lastRolloutsOf({ rollouts }: Pick<Disk, "rollouts">): Map<string, StoredRollout> {
  const inOrder = [...rollouts.values()].toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  return new Map(inOrder.map((rollout) => [rollout.release.id, rollout]));
}

/** The last one of each release of those that reached anybody, or still may without being asked again. */
function lastBegunOf({ rollouts, rows }: Pick<Disk, "rollouts" | "rows">): Map<string, StoredRollout> {
  const offered = new Set([...rows.values()].flatMap(({ rollout, offeredAt }) => (offeredAt === undefined ? [] : [rollout])));
  const begun = [...rollouts].filter(
    ([id, { phase }]) => (phase !== "awaiting_approval" && phase !== "cancelled") || offered.has(id),
  );
  return lastRolloutsOf({ rollouts: new Map(begun) });
}

const mostAttempts = 3;

/** Who took a rollout's release, or came back with it, and has no way back planned; or whose way back ended in silence before it returned. */
export function unrestoredOf(disk: Disk, rollout: string): { row: Row; attempt: number }[] {
  const rows = rowsOf(disk, rollout);
  const took = rows.filter(
    ({ rollback, state, retried, returnedWith }) => !rollback && ((state === "succeeded" && !retried) || returnedWith === "new"),
  );
  return took.toSorted(inPlace).flatMap((row) => {
    const ways = rows.filter(({ rollback, device }) => rollback && device === row.device);
    const last = ways.toSorted((a, b) => b.attempt - a.attempt)[0];
    if (last && (last.returnedWith !== "old" || last.attempt >= mostAttempts)) return [];
    return [{ row, attempt: (last?.attempt ?? 0) + 1 }];
  });
}

/** Another rollout has offered the device the same bytes since. */
export const wasOfferedAgain = ({ rows }: Pick<Disk, "rows">, { device, sha256, rollout, offeredAt = 0 }: Row): boolean =>
  [...rows.values()].some(
    (later) =>
      later.device === device && later.sha256 === sha256 && later.rollout !== rollout && (later.offeredAt ?? 0) > offeredAt,
  );

/** Its release was rolled out again after this rollout, and was not taken back since. */
export function wasRolledOutAgain(disk: Disk, { release = "", rollout }: Row): boolean {
  const last = lastBegunOf(disk).get(release);
  const mine = disk.rollouts.get(rollout);
  return last !== undefined && last.id !== rollout && !takenBack.has(last.phase) && last.createdAt > (mine?.createdAt ?? 0);
}

const takenBack: ReadonlySet<RolloutPhase> = new Set(["rolling_back", "rolled_back", "halted"]);

/** The last known good release of a device: see `unrestoredDeployments` of PostgreSQL's side. */
export function goodReleaseOf({ rows, rollouts }: Disk, row: Row): string | undefined {
  const last = lastBegunOf({ rows, rollouts });
  const isBad = (release: string) => takenBack.has(last.get(release)?.phase ?? "running");
  const offeredAt = row.offeredAt ?? 0;
  const others = [...rows.values()].filter(({ device }) => device === row.device);
  const newest = (ran: readonly { release: string | undefined; at: number }[]) =>
    ran.toSorted((a, b) => b.at - a.at || ((a.release ?? "") < (b.release ?? "") ? -1 : 1));
  const verified = others.flatMap(({ release, verifiedAt }) =>
    verifiedAt !== undefined && verifiedAt < offeredAt ? { release, at: verifiedAt } : [],
  );
  const before = others.flatMap(({ previousRelease, offeredAt: at }) =>
    at !== undefined && at < offeredAt ? { release: previousRelease, at } : [],
  );
  const ran = [row.previousRelease, ...[...newest(verified), ...newest(before)].map(({ release }) => release)];
  return ran.find((release) => release !== undefined && release !== row.release && !isBad(release));
}
