import type { Book } from "../book.shell.ts";
import type { StoredRollout } from "../store.ts";
import { type Disk, type Pen, rowsOf, type StoredRow } from "./memory-disk.ts";
import { lastRolloutsOf, newRow, timesOf, unrestoredOf } from "./memory-rows.ts";

/** The book's pages on whole rollouts, and on what binds them. */
export function memoryRollouts(disk: Disk, { set, push, change, changeRollout, addRow }: Pen) {
  const plain = (row: StoredRow | undefined): StoredRollout | undefined => {
    if (row === undefined) return undefined;
    const { lookAt: _at, idempotencyKey: _key, ...rollout } = row;
    return rollout;
  };
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
    async lastRollouts(_on, _scope, releases) {
      const last = lastRolloutsOf(disk);
      return new Map(
        releases.flatMap((release) => {
          const rollout = last.get(release);
          return rollout ? [[release, { id: rollout.id, phase: rollout.phase }] as const] : [];
        }),
      );
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
      const first = Math.max(-1, ...rowsOf(disk, rollout.id).flatMap((row) => (row.rollback ? [] : row.place))) + 1;
      members.forEach((member, i) => {
        addRow(newRow(rollout, { ...member, stage, place: first + i }));
      });
      const at = disk.stages.get(`${rollout.id}/${stage}`);
      if (at) set(disk.stages, `${rollout.id}/${stage}`, { ...at, devices: at.devices + members.length });
      changeRollout(rollout.id, { targets: rollout.targets + members.length });
    },
    async membersAmong(_on, _scope, { rollout, devices }) {
      const asked = new Set(devices);
      return new Set(rowsOf(disk, rollout).flatMap(({ device, rollback }) => (!rollback && asked.has(device) ? device : [])));
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
      for (const row of rowsOf(disk, rollout)) {
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
    async wakeEarlier(_tx, _scope, { rollout, at }) {
      const mine = disk.rollouts.get(rollout);
      for (const [id, earlier] of [...disk.rollouts]) {
        const same = earlier.release.id === mine?.release.id && earlier.createdAt < mine.createdAt;
        if (!same || earlier.phase !== "rolled_back" || unrestoredOf(disk, id).length === 0) continue;
        const { endedAt: _ended, ...open } = earlier;
        const because = "The release was rolled out again and taken back again; who kept it is led back, too.";
        set(disk.rollouts, id, { ...open, phase: "rolling_back", because, since: at, lookAt: at });
      }
    },
    async insertDecision(_tx, _scope, rollout, decision) {
      push(disk.decisions, { ...decision, rollout });
    },
  } satisfies Partial<Book>;
}
