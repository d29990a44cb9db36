import type { Book } from "../book.shell.ts";
import { isInFlight } from "../rollout.ts";
import { aheadAt, goIn, mayStepAside } from "./memory-ahead.ts";
import { type Disk, type Pen, type Row, rowsOf } from "./memory-disk.ts";
import {
  bootsBefore,
  floorOf,
  goodReleaseOf,
  inPlace,
  rivalOf,
  unrestoredOf,
  wasOfferedAgain,
  wasRolledOutAgain,
} from "./memory-rows.ts";

const latest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);

/** The book's pages on single devices. */
export function memoryDeployments(disk: Disk, { change, addRow }: Pen) {
  const watched = (row: Row): boolean =>
    isInFlight(row.state) ||
    ((["unresponsive", "failed", "rolled_back", "cancelled"].includes(row.state) ||
      (row.state === "skipped" && row.reason === "silent_after_offer")) &&
      row.offeredAt !== undefined &&
      row.returnedWith !== "new" &&
      !wasOfferedAgain(disk, row));
  return {
    async overdueDeployments(_on, _scope, { rollout, limit, at }) {
      return rowsOf(disk, rollout)
        .filter(({ state, deadlineAt }) => isInFlight(state) && (deadlineAt ?? 0) <= at)
        .slice(0, limit)
        .map(({ id, device, stage, rollback, state, attempt, onlineAtOffer, offeredAt = 0, ...row }) => ({
          ...{ deployment: id, device, stage, rollback, state, attempt },
          onlineAtOffer: onlineAtOffer === true,
          ...{ offeredAt, held: false },
          stepSince: row.rebootingAt ?? latest(row.downloadedAt, row.goAt) ?? row.acceptedAt ?? offeredAt,
          ...(row.ahead ? { ahead: true as const } : {}),
          ...(row.awaits ? { awaits: true as const } : {}),
          ...(row.goAt === undefined ? {} : { goAt: row.goAt }),
          ...(row.goUntil === undefined ? {} : { goUntil: row.goUntil }),
        }));
    },
    async queuedDeployments(_on, _scope, { rollout, limit, line, at, weight, except }) {
      const rows = [...disk.rows.values()];
      return rowsOf(disk, rollout)
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
          const rival = rivalOf(row, others, { rollouts: disk.rollouts, weight, except });
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
      return unrestoredOf(disk, rollout)
        .filter(({ row }) => !wasRolledOutAgain(disk, row))
        .slice(0, limit)
        .map(({ row, attempt }) => {
          const goodRelease = goodReleaseOf(disk, row);
          return {
            ...{ deployment: row.id, device: row.device, attempt },
            ...(goodRelease === undefined ? {} : { goodRelease }),
          };
        });
    },
    async lastProofs(_on, _scope, devices) {
      const asked = new Set(devices);
      const verified = [...disk.rows.values()].filter(({ device, verifiedAt }) => asked.has(device) && verifiedAt !== undefined);
      const latest = verified.toSorted((a, b) => (a.verifiedAt ?? 0) - (b.verifiedAt ?? 0) || (a.id < b.id ? -1 : 1));
      return new Map(
        latest.map(({ device, version, sha256: hash, boots, bootId, numbered, seq }) => [
          device,
          {
            ...{ version, hash, boots: bootId === undefined ? boots : [...boots, bootId] },
            ...(numbered && seq !== undefined ? { seqFloor: seq } : {}),
          },
        ]),
      );
    },
    async currentDeployments(_on, _scope, devices) {
      const asked = new Set(devices);
      const current = [...disk.rows.values()].filter(({ device, state }) => asked.has(device) && isInFlight(state));
      return new Map(
        current.map(({ device, id, rollout, rollback, release = "", deadlineAt = 0, ...row }) => [
          device,
          {
            ...{ deployment: id, rollout, rollback, release, phase: disk.rollouts.get(rollout)?.phase ?? "cancelled", deadlineAt },
            ...(row.ahead ? { ahead: goIn(row) } : {}),
          },
        ]),
      );
    },
    async untoldDevices(_on, _scope, { rollout, limit, againBefore }) {
      const haltedAt = disk.rollouts.get(rollout)?.haltedAt;
      return rowsOf(disk, rollout)
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
      for (const {
        deployment,
        online,
        deadlineAt,
        finalAt = deadlineAt,
        bootId,
        seq,
        pastBoots = [],
        previous,
        previousRelease,
        via,
        ahead,
      } of offers) {
        const row = disk.rows.get(deployment);
        if (row?.state !== "queued") continue;
        const busy = [...disk.rows.values()].some(({ device, state }) => device === row.device && isInFlight(state));
        // [deployment_one_in_flight] The index refuses it, and with it the whole transaction.
        if (busy) throw new Error(`device ${row.device} has an update in flight`);
        const offered = {
          state: "offered" as const,
          offeredAt: at,
          deadlineAt,
          finalAt,
          onlineAtOffer: online,
          sentAt: undefined,
          block: undefined,
        };
        const earlier = bootsBefore([...disk.rows.values()], row);
        const boots = [...new Set([...earlier, ...pastBoots])].filter((boot) => boot !== bootId).toSorted();
        const seqFloor = floorOf([...disk.rows.values()], row);
        change(deployment, { ...offered, ...via, bootId, seq, boots, seqFloor, previous, previousRelease, ...aheadAt(ahead, at) });
      }
    },
    async recordEnds(_tx, _scope, { ends, at }) {
      for (const { deployment, to, reason, detail, retry } of ends) {
        const row = disk.rows.get(deployment);
        if (row && (row.state === "queued" || isInFlight(row.state)))
          change(deployment, {
            state: to,
            reason,
            detail,
            endedAt: at,
            retried: retry !== undefined,
            awaits: false,
            block: undefined,
          });
      }
    },
    async recordBlocks(_tx, _scope, blocks) {
      for (const { deployment, block, lookAgainAt } of blocks)
        if (mayStepAside(disk.rows.get(deployment))) change(deployment, { block, lookAgainAt });
    },
    async cancelQueued(_tx, _scope, { rollout, at, line }) {
      const queued = rowsOf(disk, rollout).filter(
        ({ state, rollback }) => state === "queued" && rollback === (line === "restores"),
      );
      for (const { id } of queued) change(id, { state: "cancelled", reason: "rollout_halted", endedAt: at, block: undefined });
      return queued.length;
    },
    async insertRetries(_tx, _scope, { retries, at }) {
      for (const { id, of, attempt, notBefore, because, halted } of retries) {
        const row = disk.rows.get(of);
        if (row === undefined) continue;
        const { rollout, device, stage, place, stratum } = row;
        const wanted = disk.rollouts.get(rollout)?.release;
        const { version, sha256 } = wanted ?? row;
        const release = wanted?.id ?? row.release;
        addRow({
          ...{ id, rollout, device, rollback: false, attempt, stage, place, stratum, delayMs: 0, release, version, sha256 },
          ...{ retried: false, log: [], boots: [], lookAgainAt: notBefore },
          ...(halted
            ? { state: "cancelled", reason: "rollout_halted", endedAt: at }
            : { state: "queued", block: { code: "backing_off", because, until: notBefore } }),
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
            ...(rest.ahead ? { ahead: true, awaits: rest.awaits ?? false } : {}),
            ...(rest.goAt === undefined ? {} : { goAt: rest.goAt }),
            ...(rest.downloadedAt === undefined ? {} : { downloadedAt: rest.downloadedAt }),
            ...(rest.installingAt === undefined ? {} : { installingAt: rest.installingAt }),
            ...(rest.deadlineAt === undefined ? {} : { deadlineAt: rest.deadlineAt }),
            ...(rest.finalAt === undefined ? {} : { finalAt: rest.finalAt }),
            ...(rest.rebootingAt === undefined ? {} : { rebootingAt: rest.rebootingAt }),
            ...(rest.returnedAt === undefined ? {} : { returnedAt: rest.returnedAt }),
            ...(rest.returnedWith === undefined ? {} : { returnedWith: rest.returnedWith }),
            ...(rest.returnedBoot === undefined ? {} : { returnedBoot: rest.returnedBoot }),
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
            downloadedAt: one.downloadedAt,
            installingAt: one.installingAt,
            deadlineAt: one.deadlineAt,
            finalAt: one.finalAt,
            awaits: one.awaits ?? false,
            goAt: one.goAt,
          },
          ...{
            rebootingAt: one.rebootingAt,
            returnedAt: one.returnedAt,
            returnedWith: one.returnedWith,
            returnedBoot: one.returnedBoot,
          },
          seq: one.seq,
          numbered: (row.numbered ?? false) || (one.numbered ?? false),
          detail: one.detail ?? row.detail,
          verifiedAt: one.verifiedAt ?? row.verifiedAt,
          endedAt: one.endedAt ?? row.endedAt,
          retried: row.retried || one.retry !== undefined,
        });
      }
    },
  } satisfies Partial<Book>;
}
