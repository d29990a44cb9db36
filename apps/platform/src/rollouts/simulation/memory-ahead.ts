import { parseDuration } from "@tenfold/base";
import type { Book } from "../book.shell.ts";
import { never, type OfferRecord } from "../deployments.shell.ts";
import { isInFlight } from "../rollout.ts";
import { type Disk, type Pen, type Row, rowsOf } from "./memory-disk.ts";
import { inPlace } from "./memory-rows.ts";

export const goIn = ({ goAt, goUntil }: Pick<Row, "goAt" | "goUntil">): { go?: { until?: number } } =>
  goAt === undefined ? {} : { go: goUntil === undefined ? {} : { until: goUntil } };

/** What an offer writes down of its window. */
export function aheadAt(ahead: OfferRecord["ahead"], at: number): Partial<Row> {
  if (ahead === undefined) return {};
  const open = ahead.is === "install";
  const goUntil = open ? ahead.until : undefined;
  return { ahead: true, awaits: false, goAt: open ? at : undefined, goUntil, lookAgainAt: open ? (goUntil ?? never) : at };
}

export const mayStepAside = (row: Row | undefined): boolean =>
  row !== undefined && (row.state === "queued" || (row.ahead === true && isInFlight(row.state)));

const notBegun = new Set(["offered", "downloading", "downloaded", "verified"]);

/** The book's pages on devices that download ahead of their window. */
export function memoryAhead(disk: Disk, { change }: Pen) {
  return {
    async aheadDeployments(_on, _scope, { rollout, at, limit }) {
      return rowsOf(disk, rollout)
        .filter(({ state, ahead, lookAgainAt }) => ahead && notBegun.has(state) && lookAgainAt <= at)
        .toSorted((a, b) => a.lookAgainAt - b.lookAgainAt || inPlace(a, b))
        .slice(0, limit)
        .map(({ id, device, version, state, offeredAt = 0, deadlineAt = 0, awaits = false, ...row }) => ({
          ...{ deployment: id, device, version, state, awaits, offeredAt, deadlineAt },
          ...goIn(row),
        }));
    },
    async nextAheadLook(_on, _scope, { rollout, after }) {
      const due = rowsOf(disk, rollout).flatMap(({ state, ahead, lookAgainAt }) =>
        ahead && notBegun.has(state) && lookAgainAt > after ? lookAgainAt : [],
      );
      return due.length === 0 ? undefined : Math.min(...due);
    },
    async countAwaiting(_on, _scope, rollout) {
      return rowsOf(disk, rollout).filter(({ state, awaits }) => isInFlight(state) && awaits).length;
    },
    async recordInstalls(_tx, _scope, { installs, at }) {
      for (const one of installs) {
        const row = disk.rows.get(one.deployment);
        if (row?.ahead !== true || !isInFlight(row.state)) continue;
        const told = { deadlineAt: one.deadlineAt, sentAt: undefined, block: undefined };
        if (one.do === "recall_install")
          change(one.deployment, { ...told, awaits: one.awaits, goAt: undefined, goUntil: undefined, lookAgainAt: at });
        else
          change(one.deployment, {
            ...told,
            ...(one.online === undefined ? {} : { onlineAtOffer: one.online }),
            ...{ awaits: false, goAt: at, goUntil: one.until, finalAt: one.finalAt, lookAgainAt: one.until ?? never },
          });
      }
    },
    async hastenAwaiting(_tx, _scope, { rollout, at }) {
      const due = at + (parseDuration(disk.rollouts.get(rollout)?.plan.deadline ?? "PT0S") ?? 0);
      for (const { id, state, awaits, deadlineAt = due } of rowsOf(disk, rollout))
        if (isInFlight(state) && awaits) change(id, { deadlineAt: Math.min(deadlineAt, due) });
    },
  } satisfies Partial<Book>;
}
