import { minutes } from "@tenfold/base";
import type { Book } from "../book.shell.ts";
import { columnOf, emptyTally, isInFlight } from "../rollout.ts";
import type { Count } from "../tallies.shell.ts";
import { type Disk, rowsOf } from "./memory-disk.ts";

/** What the book sums up. */
export function memoryTallies(disk: Disk) {
  return {
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
      const rows = rowsOf(disk, rollout).filter(
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
        const rows = rowsOf(disk, id).filter((row) => !row.retried && (row.rollback || row.stage <= stage));
        const waiting = rows.filter(({ state, awaits }) => isInFlight(state) && awaits).length;
        const inFlight = rows.filter(({ state }) => isInFlight(state)).length - waiting;
        const queued =
          waiting + (phase === "running" ? rows.filter(({ state, rollback }) => state === "queued" && !rollback).length : 0);
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
      const times = rowsOf(disk, rollout).flatMap(({ rollback, offeredAt = 0, goAt = 0 }) => [
        ...(!rollback && offeredAt > since ? [offeredAt] : []),
        ...(goAt > since && goAt > offeredAt ? [goAt] : []),
      ]);
      return { count: times.length, freeAt: (times.length === 0 ? since : Math.min(...times)) + minutes(1) };
    },
    async nextDeadline(_on, _scope, rollout) {
      const deadlines = rowsOf(disk, rollout).flatMap(({ state, deadlineAt }) =>
        isInFlight(state) && deadlineAt !== undefined ? deadlineAt : [],
      );
      return deadlines.length === 0 ? undefined : Math.min(...deadlines);
    },
  } satisfies Partial<Book>;
}
