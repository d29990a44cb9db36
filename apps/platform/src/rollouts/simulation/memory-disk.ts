import { type DeploymentReason, type DeploymentState, type RolloutPolicy, rolloutPolicy, type UpdatePin } from "@tenfold/contracts";
import type { Approval } from "../approvals.ts";
import type { Block } from "../conditions.ts";
import type { StoredDecision } from "../decisions.shell.ts";
import type { FreezePeriod } from "../picture.ts";
import type { Firmware } from "../rollout.ts";
import type { StoredRollout } from "../store.ts";
import type { StoredStage } from "../tallies.shell.ts";

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
  downloadedAt?: number | undefined;
  installingAt?: number | undefined;
  rebootingAt?: number | undefined;
  verifiedAt?: number | undefined;
  returnedAt?: number | undefined;
  returnedWith?: "new" | "old" | undefined;
  returnedBoot?: string | undefined;
  deadlineAt?: number | undefined;
  finalAt?: number | undefined;
  ahead?: boolean | undefined;
  awaits?: boolean | undefined;
  goAt?: number | undefined;
  goUntil?: number | undefined;
  sentAt?: number | undefined;
  endedAt?: number | undefined;
};

export type StoredRow = StoredRollout & { lookAt: number; idempotencyKey?: string };

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

/** Writes to a disk: `append` is called before each write, where a server may die, and `undo` collects how to take the open transaction back. */
export function penOn(disk: Disk, { append, undo }: { append: () => void; undo: () => (() => void)[] }) {
  const set = <V>(map: Map<string, V>, key: string, value: V): void => {
    append();
    const before = map.get(key);
    undo().push(() => (before === undefined ? map.delete(key) : map.set(key, before)));
    map.set(key, value);
  };
  return {
    set,
    push<V>(list: V[], value: V): void {
      append();
      undo().push(() => list.splice(list.indexOf(value), 1));
      list.push(value);
    },
    change(id: string, over: Partial<Row>): void {
      const row = disk.rows.get(id);
      if (row) set(disk.rows, id, { ...row, ...over });
    },
    changeRollout(id: string, over: Partial<StoredRow>): void {
      const rollout = disk.rollouts.get(id);
      if (rollout) set(disk.rollouts, id, { ...rollout, ...over });
    },
    addRow(row: Row): void {
      const taken = [...disk.rows.values()].some(
        (one) =>
          one.rollout === row.rollout && one.device === row.device && one.rollback === row.rollback && one.attempt === row.attempt,
      );
      if (!taken) set(disk.rows, row.id, row);
    },
  };
}
export type Pen = ReturnType<typeof penOn>;

export const rowsOf = (disk: Disk, rollout: string): Row[] => [...disk.rows.values()].filter((row) => row.rollout === rollout);
