import { minutes } from "@tenfold/base";
import {
  type DeploymentReason,
  type DeploymentState,
  type RolloutPolicy,
  rolloutPolicy,
  type StageProgress,
  type UpdatePin,
} from "@tenfold/contracts";
import type { Approval } from "../approvals.ts";
import type { Book } from "../book.shell.ts";
import type { Block } from "../conditions.ts";
import type { FreezePeriod } from "../picture.ts";
import { columnOf, emptyTally, type Firmware, isInFlight } from "../rollout.ts";
import type { Count, StoredDecision, StoredRollout, StoredStage } from "../store.ts";

/** A row of `rollouts.deployment`. Times in ms. */
export type Row = {
  id: string;
  rollout: string;
  device: string;
  rollback: boolean;
  attempt: number;
  stage: number;
  place: number;
  stratum: string;
  delayMs: number;
  release: string | undefined;
  version: string;
  sha256: string;
  state: DeploymentState;
  retried: boolean;
  lookAgainAt: number;
  log: readonly string[];
  block?: Block | undefined;
  reason?: DeploymentReason | undefined;
  detail?: string | undefined;
  onlineAtOffer?: boolean | undefined;
  bootId?: string | undefined;
  boots: readonly string[];
  seq?: number | undefined;
  numbered?: boolean | undefined;
  seqFloor?: number | undefined;
  previous?: Firmware | undefined;
  previousRelease?: string | undefined;
  offeredAt?: number | undefined;
  acceptedAt?: number | undefined;
  rebootingAt?: number | undefined;
  verifiedAt?: number | undefined;
  returnedAt?: number | undefined;
  returnedWith?: "new" | "old" | undefined;
  deadlineAt?: number | undefined;
  sentAt?: number | undefined;
  endedAt?: number | undefined;
};

type StoredRow = StoredRollout & { lookAt: number; idempotencyKey?: string };

/** What is on the disk. Every entry is replaced and never changed, so that a transaction can be taken back. */
export type Disk = {
  rollouts: Map<string, StoredRow>;
  stages: Map<string, StoredStage & { rollout: string }>;
  rows: Map<string, Row>;
  decisions: (StoredDecision & { rollout: string })[];
  approvals: (Approval & { rollout: string })[];
  policy: RolloutPolicy;
  freezes: FreezePeriod[];
  pins: UpdatePin[];
};

export const emptyDisk = (): Disk => ({
  rollouts: new Map(),
  stages: new Map(),
  rows: new Map(),
  decisions: [],
  approvals: [],
  policy: rolloutPolicy.parse({}),
  freezes: [],
  pins: [],
});

const inPlace = (a: Row, b: Row): number => a.place - b.place || a.attempt - b.attempt;
const mostAttempts = 3;

/**
 * The book of rollouts in memory: the second side of `Book`, for the deterministic simulation. What it answers is held against PostgreSQL by
 * `book.test.ts`. `undo` collects how to take the open transaction back; `append` is called before each write, where a server may die.
 */
export function memoryBook(disk: Disk, { append, undo }: { append: () => void; undo: () => (() => void)[] }): Book {
  const set = <V>(map: Map<string, V>, key: string, value: V): void => {
    append();
    const before = map.get(key);
    undo().push(() => (before === undefined ? map.delete(key) : map.set(key, before)));
    map.set(key, value);
  };
  const push = <V>(list: V[], value: V): void => {
    append();
    undo().push(() => list.splice(list.indexOf(value), 1));
    list.push(value);
  };
  const change = (id: string, over: Partial<Row>): void => {
    const row = disk.rows.get(id);
    if (row) set(disk.rows, id, { ...row, ...over });
  };
  const changeRollout = (id: string, over: Partial<StoredRow>): void => {
    const rollout = disk.rollouts.get(id);
    if (rollout) set(disk.rollouts, id, { ...rollout, ...over });
  };
  const rowsOf = (rollout: string): Row[] => [...disk.rows.values()].filter((row) => row.rollout === rollout);
  const plain = (row: StoredRow | undefined): StoredRollout | undefined => {
    if (row === undefined) return undefined;
    const { lookAt: _at, idempotencyKey: _key, ...rollout } = row;
    return rollout;
  };
  const addRow = (row: Row): void => {
    const taken = [...disk.rows.values()].some(
      (one) =>
        one.rollout === row.rollout && one.device === row.device && one.rollback === row.rollback && one.attempt === row.attempt,
    );
    if (!taken) set(disk.rows, row.id, row);
  };
  const watched = ({ state, reason, offeredAt, returnedAt }: Row): boolean =>
    isInFlight(state) ||
    ((["unresponsive", "failed", "rolled_back", "cancelled"].includes(state) ||
      (state === "skipped" && reason === "silent_after_offer")) &&
      offeredAt !== undefined &&
      returnedAt === undefined);

  return {
    async lockStarts() {},
    async lockPlaces() {},
    async policyOf() {
      return disk.policy;
    },
    async freezesFrom(_on, _scope, at) {
      return disk.freezes.filter(({ to }) => to > at).toSorted((a, b) => a.from - b.from);
    },
    async pinsAt(_on, _scope, at) {
      return disk.pins.filter(
        ({ liftedAt, expiresAt }) => liftedAt === undefined && (expiresAt === undefined || Date.parse(expiresAt) > at),
      );
    },
    async approvalsOf(_on, _scope, rollout) {
      return disk.approvals.filter((one) => one.rollout === rollout).map(({ rollout: _of, ...one }) => one);
    },
    async insertApproval(_tx, _scope, approval) {
      const same = disk.approvals.some(
        ({ rollout, actor, planHash }) =>
          rollout === approval.rollout && actor === approval.actor && planHash === approval.planHash,
      );
      if (!same) push(disk.approvals, approval);
    },
    async unmetRollouts(_on, _scope, rollouts) {
      return rollouts.filter((id) => disk.rollouts.get(id)?.phase !== "completed");
    },

    async findRollout(_on, _scope, id) {
      return plain(disk.rollouts.get(id));
    },
    async lockFree(_tx, _scope, id) {
      return plain(disk.rollouts.get(id));
    },
    async lockRollout(_tx, _scope, id) {
      return plain(disk.rollouts.get(id));
    },
    async findByIdempotencyKey(_on, _scope, key) {
      return plain([...disk.rollouts.values()].find(({ idempotencyKey }) => idempotencyKey === key));
    },
    async openRollouts() {
      const open = [...disk.rollouts.values()].filter(({ endedAt }) => endedAt === undefined);
      return open.toSorted((a, b) => b.weight - a.weight || (a.id < b.id ? 1 : -1)).flatMap((row) => plain(row) ?? []);
    },
    async dueRollouts(_on, { at, limit }) {
      const due = [...disk.rollouts.values()].filter(({ endedAt, lookAt }) => endedAt === undefined && lookAt <= at);
      return due
        .toSorted((a, b) => a.lookAt - b.lookAt)
        .slice(0, limit)
        .map(({ id }) => ({ scope: { fleet: "main" }, id }));
    },
    async insertRollout(_tx, _scope, { rollout, stages, places }) {
      const { createdAt } = rollout;
      set(disk.rollouts, rollout.id, { ...rollout, since: createdAt, stage: 0, lookAt: createdAt, joinedAt: createdAt });
      stages.forEach(({ share, devices }, index) => {
        set(disk.stages, `${rollout.id}/${index}`, { rollout: rollout.id, index, share, devices, state: "waiting" });
      });
      for (const place of places) addRow(newRow(rollout, place));
    },
    async addTargets(_tx, _scope, { rollout, stage, members }) {
      const first = Math.max(-1, ...rowsOf(rollout.id).flatMap((row) => (row.rollback ? [] : row.place))) + 1;
      members.forEach((member, i) => {
        addRow(newRow(rollout, { ...member, stage, place: first + i }));
      });
      const at = disk.stages.get(`${rollout.id}/${stage}`);
      if (at) set(disk.stages, `${rollout.id}/${stage}`, { ...at, devices: at.devices + members.length });
      changeRollout(rollout.id, { targets: rollout.targets + members.length });
    },
    async membersAmong(_on, _scope, { rollout, devices }) {
      const asked = new Set(devices);
      return new Set(rowsOf(rollout).flatMap(({ device, rollback }) => (!rollback && asked.has(device) ? device : [])));
    },
    async noteJoined(_tx, _scope, { id, at }) {
      changeRollout(id, { joinedAt: at });
    },
    async changePhase(_tx, _scope, { id, phase, because, at, halted, ended }) {
      const rollout = disk.rollouts.get(id);
      if (rollout === undefined) return;
      const { endedAt, ...rest } = rollout;
      const ends = ended === "now" ? { endedAt: at } : ended === "no" || endedAt === undefined ? {} : { endedAt };
      set(disk.rollouts, id, {
        ...rest,
        ...ends,
        phase,
        because: because === "" ? rollout.because : because,
        since: rollout.phase === phase ? rollout.since : at,
        lookAt: at,
        ...(halted ? { haltedAt: at, haltedBecause: because } : {}),
      });
    },
    async changeStage(_tx, _scope, { rollout, index, state, at }) {
      const stage = disk.stages.get(`${rollout}/${index}`);
      if (stage) set(disk.stages, `${rollout}/${index}`, { ...stage, state, ...timesOf(state, at) });
      if (state !== "running") return;
      changeRollout(rollout, { stage: index });
      for (const row of rowsOf(rollout)) {
        if (row.rollback || row.stage !== index || row.state !== "queued" || row.delayMs === 0) continue;
        const until = at + row.delayMs;
        change(row.id, {
          lookAgainAt: until,
          block: { code: "jitter", because: "Its turn in the stage's spread has not come.", until },
        });
      }
    },
    async waiveStage(_tx, _scope, { id, stage }) {
      changeRollout(id, { waivedStage: stage });
    },
    async writeFreezeOverride(_tx, _scope, { id, reason, at }) {
      changeRollout(id, { freezeOverride: reason, lookAt: at });
    },
    async lookAt(_tx, _scope, { id, at }) {
      changeRollout(id, { lookAt: at });
    },
    async wakeRollouts(_tx, _scope, { changed, strays, at }) {
      for (const id of changed) changeRollout(id, { lookAt: at });
      for (const id of strays) {
        const rollout = disk.rollouts.get(id);
        if (rollout?.phase !== "rolled_back") continue;
        const { endedAt: _ended, ...open } = rollout;
        const because = "A device came back from silence with the release that was rolled back.";
        set(disk.rollouts, id, { ...open, phase: "rolling_back", because, since: at });
      }
    },
    async insertDecision(_tx, _scope, rollout, decision) {
      push(disk.decisions, { ...decision, rollout });
    },

    async stagesOf(_on, _scope, rollouts) {
      const found = [...disk.stages.values()]
        .filter(({ rollout }) => rollouts.includes(rollout))
        .toSorted((a, b) => a.index - b.index);
      return Map.groupBy(found, ({ rollout }) => rollout);
    },
    async countDeployments(_on, _scope, rollouts) {
      const counts = new Map<string, Count>();
      for (const { rollout, rollback, stage, state, retried, verifiedAt } of disk.rows.values()) {
        if (retried || !rollouts.includes(rollout)) continue;
        const key = `${rollout}/${rollback}/${stage}/${state}`;
        const count: Count = counts.get(key) ?? { rollout, rollback, stage, state, devices: 0 };
        const last = Math.max(count.lastVerifiedAt ?? 0, verifiedAt ?? 0);
        counts.set(key, { ...count, devices: count.devices + 1, ...(last === 0 ? {} : { lastVerifiedAt: last }) });
      }
      return [...counts.values()];
    },
    async countStrata(_on, _scope, { rollout, stage }) {
      const rows = rowsOf(rollout).filter(
        (row) => !row.rollback && !row.retried && row.stratum !== "" && (stage === undefined || row.stage === stage),
      );
      return [...Map.groupBy(rows, ({ stratum }) => stratum)]
        .map(([stratum, of]) => {
          const tally = emptyTally();
          for (const { state } of of) {
            tally.devices += 1;
            tally[columnOf(state)] += 1;
          }
          return { ...tally, stratum };
        })
        .toSorted((a, b) => (a.stratum < b.stratum ? -1 : 1));
    },
    async claimsOf() {
      return [...disk.rollouts.values()].flatMap(({ id, weight, phase, stage, endedAt }) => {
        if (endedAt !== undefined) return [];
        const rows = rowsOf(id).filter((row) => !row.retried && (row.rollback || row.stage <= stage));
        const inFlight = rows.filter(({ state }) => isInFlight(state)).length;
        const queued = phase === "running" ? rows.filter(({ state, rollback }) => state === "queued" && !rollback).length : 0;
        return rows.some(({ state }) => isInFlight(state) || state === "queued") ? [{ rollout: id, weight, inFlight, queued }] : [];
      });
    },
    async busyDevices(_on, _scope, { except, among } = {}) {
      const busy = new Map<string, number[]>();
      for (const { device, rollout, state } of disk.rows.values()) {
        if (!(isInFlight(state) || state === "queued") || rollout === except || (among && !among.includes(device))) continue;
        const weights = new Set(busy.get(device) ?? []).add(disk.rollouts.get(rollout)?.weight ?? 0);
        busy.set(
          device,
          [...weights].toSorted((a, b) => a - b),
        );
      }
      return busy;
    },
    async recentOffers(_on, _scope, { rollout, since }) {
      const times = rowsOf(rollout).flatMap(({ rollback, offeredAt }) =>
        !rollback && offeredAt !== undefined && offeredAt > since ? offeredAt : [],
      );
      return { count: times.length, freeAt: (times.length === 0 ? since : Math.min(...times)) + minutes(1) };
    },
    async nextDeadline(_on, _scope, rollout) {
      const deadlines = rowsOf(rollout).flatMap(({ state, deadlineAt }) =>
        isInFlight(state) && deadlineAt !== undefined ? deadlineAt : [],
      );
      return deadlines.length === 0 ? undefined : Math.min(...deadlines);
    },
    async overdueDeployments(_on, _scope, { rollout, limit, at }) {
      return rowsOf(rollout)
        .filter(({ state, deadlineAt }) => isInFlight(state) && (deadlineAt ?? 0) <= at)
        .slice(0, limit)
        .map(({ id, device, stage, rollback, state, attempt, onlineAtOffer, offeredAt = 0 }) => ({
          ...{ deployment: id, device, stage, rollback, state, attempt },
          onlineAtOffer: onlineAtOffer === true,
          ...{ offeredAt, held: false },
        }));
    },
    async queuedDeployments(_on, _scope, { rollout, limit, line, at, weight }) {
      const rows = [...disk.rows.values()];
      return rowsOf(rollout)
        .filter(
          (row) =>
            row.state === "queued" &&
            row.lookAgainAt <= at &&
            (line.is === "stage" ? !row.rollback && row.stage === line.stage : row.rollback),
        )
        .toSorted((a, b) => a.lookAgainAt - b.lookAgainAt || inPlace(a, b))
        .slice(0, limit)
        .map((row) => {
          const others = rows.filter((other) => other.device === row.device);
          const busy = others.find(({ state }) => isInFlight(state));
          const rival = row.rollback ? undefined : rivalOf(row, others, { rollouts: disk.rollouts, weight });
          return {
            ...{ deployment: row.id, device: row.device, version: row.version, sha256: row.sha256 },
            ...(busy ? { busyWith: busy.rollout } : {}),
            ...(rival ? { yieldsTo: rival } : {}),
          };
        });
    },
    async stillQueued(_on, _scope, { deployments, at }) {
      const still = (row: Row | undefined) => row?.state === "queued" && row.lookAgainAt <= at;
      return new Set(deployments.filter((id) => still(disk.rows.get(id))));
    },
    async unrestoredDeployments(_on, _scope, { rollout, limit }) {
      const rows = rowsOf(rollout);
      return rows
        .filter(({ rollback, state, returnedWith }) => !rollback && (state === "succeeded" || returnedWith === "new"))
        .toSorted(inPlace)
        .flatMap((row) => {
          const last = rows
            .filter(({ rollback, device }) => rollback && device === row.device)
            .toSorted((a, b) => b.attempt - a.attempt)[0];
          if (last && (last.returnedWith !== "old" || last.attempt >= mostAttempts)) return [];
          return [
            {
              ...{ deployment: row.id, device: row.device, attempt: (last?.attempt ?? 0) + 1 },
              ...(row.previousRelease === undefined ? {} : { previousRelease: row.previousRelease }),
            },
          ];
        })
        .slice(0, limit);
    },
    async currentDeployments(_on, _scope, devices) {
      const asked = new Set(devices);
      const current = [...disk.rows.values()].filter(({ device, state }) => asked.has(device) && isInFlight(state));
      return new Map(
        current.map(({ device, id, rollout, rollback, release = "", deadlineAt = 0 }) => [
          device,
          { deployment: id, rollout, rollback, release, phase: disk.rollouts.get(rollout)?.phase ?? "cancelled", deadlineAt },
        ]),
      );
    },
    async untoldDevices(_on, _scope, { rollout, limit, againBefore }) {
      const haltedAt = disk.rollouts.get(rollout)?.haltedAt;
      return rowsOf(rollout)
        .filter(({ state }) => isInFlight(state))
        .filter(
          ({ sentAt, rollback, state }) =>
            sentAt === undefined ||
            (!rollback && haltedAt !== undefined && sentAt <= haltedAt) ||
            (state === "offered" && sentAt < againBefore),
        )
        .toSorted(inPlace)
        .slice(0, limit)
        .map(({ id, device }) => ({ deployment: id, device }));
    },
    async markTold(_on, _scope, { deployments, at }) {
      for (const id of deployments) change(id, { sentAt: at });
    },

    async recordOffers(_tx, _scope, { offers, at }) {
      for (const { deployment, online, deadlineAt, bootId, previous, previousRelease } of offers) {
        const row = disk.rows.get(deployment);
        if (row?.state !== "queued") continue;
        const busy = [...disk.rows.values()].some(({ device, state }) => device === row.device && isInFlight(state));
        // [deployment_one_in_flight] The index refuses it, and with it the whole transaction.
        if (busy) throw new Error(`device ${row.device} has an update in flight`);
        const offered = {
          state: "offered" as const,
          offeredAt: at,
          deadlineAt,
          onlineAtOffer: online,
          sentAt: undefined,
          block: undefined,
        };
        const boots = bootsBefore([...disk.rows.values()], row);
        const seqFloor = floorOf([...disk.rows.values()], row);
        change(deployment, { ...offered, bootId, boots, seqFloor, previous, previousRelease });
      }
    },
    async recordEnds(_tx, _scope, { ends, at }) {
      for (const { deployment, to, reason, detail, retry } of ends) {
        const row = disk.rows.get(deployment);
        if (row && (row.state === "queued" || isInFlight(row.state)))
          change(deployment, { state: to, reason, detail, endedAt: at, retried: retry !== undefined, block: undefined });
      }
    },
    async recordBlocks(_tx, _scope, blocks) {
      for (const { deployment, block, lookAgainAt } of blocks)
        if (disk.rows.get(deployment)?.state === "queued") change(deployment, { block, lookAgainAt });
    },
    async cancelQueued(_tx, _scope, { rollout, at, line }) {
      const queued = rowsOf(rollout).filter(({ state, rollback }) => state === "queued" && rollback === (line === "restores"));
      for (const { id } of queued) change(id, { state: "cancelled", reason: "rollout_halted", endedAt: at, block: undefined });
      return queued.length;
    },
    async insertRetries(_tx, _scope, { retries }) {
      for (const { id, of, attempt, notBefore, because } of retries) {
        const row = disk.rows.get(of);
        if (row === undefined) continue;
        const { rollout, device, stage, place, stratum, release, version, sha256 } = row;
        addRow({
          ...{ id, rollout, device, rollback: false, attempt, stage, place, stratum, delayMs: 0, release, version, sha256 },
          ...{ state: "queued", retried: false, log: [], boots: [], lookAgainAt: notBefore },
          block: { code: "backing_off", because, until: notBefore },
        });
      }
    },
    async insertRestores(_tx, _scope, { restores, at }) {
      for (const { id, undoes, attempt, target, reason, detail } of restores) {
        const row = disk.rows.get(undoes);
        if (row === undefined) continue;
        const { rollout, device, stage, place, stratum, previous } = row;
        addRow({
          ...{
            id,
            rollout,
            device,
            rollback: true,
            attempt,
            stage,
            place,
            stratum,
            delayMs: 0,
            retried: false,
            log: [],
            boots: [],
            lookAgainAt: 0,
          },
          ...{ release: target?.release, version: target?.version ?? previous?.version ?? "", sha256: target?.sha256 ?? "" },
          ...{ state: target ? "queued" : "skipped", reason, detail, ...(target ? {} : { endedAt: at }) },
        });
      }
    },
    async lockWatched(_tx, _scope, devices) {
      const asked = new Set(devices);
      return (
        [...disk.rows.values()]
          .filter((row) => asked.has(row.device) && watched(row))
          // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a field is left out where it is not known.
          .map(({ id, rollout, device, rollback, attempt, state, version, sha256, log, boots, offeredAt = 0, ...rest }) => ({
            ...{ id, rollout, device, rollback, attempt, state, version, sha256, log, boots, offeredAt },
            ...(rest.seq === undefined ? {} : { seq: rest.seq }),
            ...(rest.seqFloor === undefined ? {} : { seqFloor: rest.seqFloor }),
            ...(rest.bootId === undefined ? {} : { bootId: rest.bootId }),
            ...(rest.previous === undefined ? {} : { previous: rest.previous }),
            ...(rest.acceptedAt === undefined ? {} : { acceptedAt: rest.acceptedAt }),
            ...(rest.rebootingAt === undefined ? {} : { rebootingAt: rest.rebootingAt }),
            ...(rest.reason === undefined ? {} : { reason: rest.reason }),
          }))
      );
    },
    async saveWatched(_tx, _scope, { changed }) {
      for (const one of changed) {
        const row = disk.rows.get(one.id);
        if (row === undefined) continue;
        change(one.id, {
          ...{
            state: one.state,
            reason: one.reason,
            log: one.log,
            bootId: one.bootId,
            boots: one.boots,
            acceptedAt: one.acceptedAt,
          },
          ...{ rebootingAt: one.rebootingAt, returnedAt: one.returnedAt, returnedWith: one.returnedWith },
          seq: one.seq,
          numbered: (row.numbered ?? false) || (one.numbered ?? false),
          detail: one.detail ?? row.detail,
          verifiedAt: one.verifiedAt ?? row.verifiedAt,
          endedAt: one.endedAt ?? row.endedAt,
          retried: row.retried || one.retry !== undefined,
        });
      }
    },
  };
}

/** Boots that earlier updates of the device knew. */
function bootsBefore(rows: readonly Row[], { id, device }: Row): string[] {
  const earlier = rows.filter((row) => row.device === device && row.id !== id && row.offeredAt !== undefined);
  const latest = earlier.toSorted((a, b) => (b.offeredAt ?? 0) - (a.offeredAt ?? 0)).slice(0, 10);
  return [...new Set(latest.flatMap(({ boots, bootId }) => (bootId === undefined ? boots : [...boots, bootId])))].toSorted();
}

/** What was said before the device's last verified boot, where its numbers can be relied on. */
function floorOf(rows: readonly Row[], { id, device }: Row): number | undefined {
  const verified = rows.filter((row) => row.device === device && row.id !== id && row.verifiedAt !== undefined);
  const [latest] = verified.toSorted((a, b) => (b.verifiedAt ?? 0) - (a.verifiedAt ?? 0));
  return latest?.numbered ? latest.seq : undefined;
}

type Placing = { id: string; device: string; stage: number; place: number; stratum: string; delayMs: number };

const newRow = ({ id: rollout, release }: Pick<StoredRollout, "id" | "release">, place: Placing): Row => ({
  ...place,
  rollout,
  ...{ rollback: false, attempt: 1, release: release.id, version: release.version, sha256: release.sha256 },
  ...{ state: "queued", retried: false, lookAgainAt: 0, log: [], boots: [] },
});

const timesOf = (state: StageProgress["state"], at: number): Partial<StoredStage> => ({
  ...(state === "running" ? { startedAt: at } : {}),
  ...(state === "passed" ? { passedAt: at } : {}),
});

function rivalOf(
  row: Row,
  others: readonly Row[],
  { rollouts, weight }: { rollouts: ReadonlyMap<string, StoredRollout>; weight: number },
): { rollout: string; rollback: boolean; weight: number } | undefined {
  const rivals = others.flatMap((other) => {
    const rollout = rollouts.get(other.rollout);
    if (other.state !== "queued" || other.rollout === row.rollout || rollout === undefined) return [];
    const first = other.rollback ? rollout.phase === "rolling_back" : rollout.phase === "running" && rollout.weight > weight;
    return first ? [{ rollout: rollout.id, rollback: other.rollback, weight: rollout.weight }] : [];
  });
  return rivals.toSorted(
    (a, b) => Number(b.rollback) - Number(a.rollback) || b.weight - a.weight || (a.rollout < b.rollout ? -1 : 1),
  )[0];
}
