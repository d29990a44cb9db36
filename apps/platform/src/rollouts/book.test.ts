import assert from "node:assert/strict";
import { test } from "node:test";
import { minutes, defaultScope as scope, seededRandom } from "@tenfold/base";
import { rolloutPlan } from "@tenfold/contracts";
import { testDatabase } from "../kernel/testing.ts";
import { type Book, postgresBook } from "./book.shell.ts";
import type { OfferRecord } from "./deployments.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { memoryBook } from "./simulation/memory-book.ts";
import { emptyDisk } from "./simulation/memory-disk.ts";
import { talliesOf } from "./tallies.shell.ts";

const start = Date.UTC(2026, 5, 1);
const sha = (n: number) => String(n).repeat(64);

/** The same orders for both sides. Ids and choices come from the seed, so that each side is told the same. */
async function drive(book: Book, db: RolloutsDeps["db"], seed: string): Promise<unknown[]> {
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T;
  const told: unknown[] = [];
  // The third rolls the release of the first out again.
  const ids = ["rol_a", "rol_b", "rol_c"];
  let serial = 0;
  let now = start;
  const id = () => `dep_${String(serial++).padStart(4, "0")}`;
  for (const [i, rollout] of ids.entries()) {
    const places = Array.from({ length: 6 }, (_, place) => ({
      ...{ id: id(), device: `d${place}`, stage: place < 2 ? 0 : 1, place, stratum: place % 2 ? "model=a" : "" },
      delayMs: place % 3 === 0 ? 60_000 : 0,
    }));
    await db.transaction().execute((tx) =>
      book.insertRollout(tx, scope, {
        rollout: {
          ...{
            id: rollout,
            phase: "running",
            because: "x",
            targets: 6,
            createdBy: "ann",
            author: "ann",
            weight: i === 0 ? 100 : 300,
          },
          ...{
            approvalsNeeded: 1,
            createdAt: now + i,
            release: { id: `rel_${i % 2}`, name: "fw", version: `${(i % 2) + 2}`, sha256: sha((i % 2) + 2) },
          },
          plan: rolloutPlan.parse({ release: "x" }),
        },
        stages: [
          { share: 0.3, devices: 2 },
          { share: 1, devices: 4 },
        ],
        places,
      }),
    );
  }
  for (let step = 0; step < 100; step++) {
    now += minutes(below(3));
    const rollout = pick(ids);
    // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one order after the other, for both sides alike.
    await db.transaction().execute(async (tx) => {
      const line = random() < 0.8 ? ({ is: "stage", stage: below(2) } as const) : ({ is: "restores" } as const);
      const queued = await book.queuedDeployments(tx, scope, {
        rollout,
        limit: 3,
        line,
        at: now,
        weight: rollout === "rol_a" ? 100 : 300,
        except: random() < 0.3 ? ["rol_b"] : [],
      });
      told.push(queued);
      const watched = await book.lockWatched(tx, scope, ["d0", "d1", "d2", "d3", "d4", "d5"]);
      told.push(watched);
      const one = queued.find(({ busyWith }) => busyWith === undefined);
      const flying = watched.find(({ state }) => state === "offered" || state === "rebooting");
      const ended = watched.find(({ state }) => state === "unresponsive" || state === "failed");
      const ahead = await book.aheadDeployments(tx, scope, { rollout, at: now, limit: 5, lock: "rows" });
      told.push(ahead);
      switch (below(14)) {
        case 0:
        case 1:
        case 2:
          if (one)
            await book.recordOffers(tx, scope, {
              at: now,
              offers: [
                {
                  deployment: one.deployment,
                  online: random() < 0.5,
                  deadlineAt: now + minutes(10),
                  bootId: `b${below(3)}`,
                  ...pick([{ seq: below(9) }, {}]),
                  previous: { version: "1", hash: sha(1) },
                  ...pick([{ previousRelease: "rel_x" }, { previousRelease: "rel_0" }, {}]),
                  ...pick([{ finalAt: now + minutes(20) }, {}]),
                  ...pick<{ ahead?: NonNullable<OfferRecord["ahead"]> }>([
                    {},
                    { ahead: { is: "download" } },
                    { ahead: { is: "install" } },
                    { ahead: { is: "install", until: now + minutes(5) } },
                  ]),
                },
              ],
            });
          break;
        case 3:
          if (flying)
            await book.saveWatched(tx, scope, {
              at: now,
              changed: [{ ...flying, state: "succeeded", verifiedAt: now, endedAt: now, seq: 7, numbered: true, log: ["l"] }],
            });
          break;
        case 4:
          if (flying) {
            const retry = {
              ...{ attempt: flying.attempt + 1, notBefore: now + 60_000, because: "again" },
              ...(random() < 0.3 ? { halted: true as const } : {}),
            };
            await book.saveWatched(tx, scope, {
              at: now,
              changed: [
                { ...flying, state: "failed", reason: "download_network", endedAt: now, ...(flying.rollback ? {} : { retry }) },
              ],
            });
            if (!flying.rollback)
              await book.insertRetries(tx, scope, { at: now, retries: [{ ...retry, id: id(), of: flying.id }] });
          }
          break;
        case 5:
          if (one)
            await book.recordBlocks(tx, scope, [
              {
                deployment: one.deployment,
                block: { code: "battery_low", because: "low", until: now + 5 },
                lookAgainAt: now + minutes(below(4)),
              },
            ]);
          break;
        case 6: {
          const overdue = await book.overdueDeployments(tx, scope, { rollout, at: now, limit: 5, lock: "rows" });
          told.push(overdue);
          await book.recordEnds(tx, scope, {
            at: now,
            ends: overdue.map(({ deployment }) => ({
              deployment,
              to: "unresponsive",
              reason: "silent_during_update",
              detail: "s",
            })),
          });
          break;
        }
        case 7:
          await book.changeStage(tx, scope, {
            rollout,
            index: below(2),
            state: pick(["running", "soaking", "passed"] as const),
            at: now,
          });
          break;
        case 8: {
          await book.changePhase(tx, scope, {
            id: rollout,
            phase: pick(["running", "paused", "rolling_back", "rolled_back"] as const),
            because: pick(["", "why"]),
            at: now,
            ...(random() < 0.3 ? { halted: "now" } : {}),
            ...(random() < 0.3 ? { ended: pick(["now", "no"] as const) } : {}),
          });
          const unrestored = await book.unrestoredDeployments(tx, scope, { rollout, limit: 5 });
          told.push(unrestored);
          await book.insertRestores(tx, scope, {
            at: now,
            restores: unrestored.map(({ deployment, attempt }, i) => ({
              id: id(),
              undoes: deployment,
              attempt,
              ...(i % 2
                ? { reason: "rollback_target_unknown" as const, detail: "?" }
                : { target: { release: "rel_x", version: "1", sha256: sha(1) } }),
            })),
          });
          break;
        }
        case 9:
          if (random() < 0.2)
            told.push(await book.cancelQueued(tx, scope, { rollout, at: now, line: pick(["updates", "restores"] as const) }));
          else await book.markTold(tx, scope, { deployments: watched.slice(0, 2).map((w) => w.id), at: now });
          break;
        case 11: {
          const installs = ahead.map(({ deployment }, i) =>
            i % 2
              ? { do: "recall_install" as const, deployment, awaits: random() < 0.5, deadlineAt: now + minutes(60) }
              : {
                  do: "let_install" as const,
                  deployment,
                  deadlineAt: now + minutes(3),
                  finalAt: now + minutes(9),
                  ...pick([{ until: now + minutes(4) }, {}]),
                  ...pick([{ online: random() < 0.5 }, {}]),
                },
          );
          await book.recordInstalls(tx, scope, { installs, at: now });
          break;
        }
        case 12: {
          const [waits] = watched.filter(({ ahead: is, state }) => is && (state === "offered" || state === "downloading"));
          if (waits)
            await book.saveWatched(tx, scope, {
              at: now,
              changed: [
                {
                  ...waits,
                  state: "verified",
                  awaits: true,
                  downloadedAt: now,
                  deadlineAt: now + minutes(90),
                  finalAt: now + minutes(95),
                },
              ],
            });
          if (random() < 0.3) await book.hastenAwaiting(tx, scope, { rollout, at: now });
          break;
        }
        case 10:
          await book.insertApproval(tx, scope, {
            rollout,
            actor: pick(["ben", "cyd"]),
            name: "n",
            planHash: pick(["h", "g"]),
            at: now,
          });
          await book.wakeRollouts(tx, scope, { changed: [rollout], strays: random() < 0.3 ? [rollout] : [], at: now });
          break;
        case 13:
          if (ended) {
            const back = { returnedAt: now, returnedWith: pick(["new", "old"] as const), returnedBoot: `b${below(3)}` };
            await book.saveWatched(tx, scope, { at: now, changed: [{ ...ended, ...back }] });
          }
          await book.wakeEarlier(tx, scope, { rollout, at: now });
          break;
      }
    });
    told.push(await picture(book, db, { rollout, now }));
  }
  return told;
}

async function picture(book: Book, db: RolloutsDeps["db"], { rollout, now }: { rollout: string; now: number }): Promise<unknown> {
  const stages = (await book.stagesOf(db, scope, [rollout])).get(rollout) ?? [];
  const byRollout = (a: { rollout: string }, b: { rollout: string }) => (a.rollout < b.rollout ? -1 : 1);
  return {
    rollout: await book.findRollout(db, scope, rollout),
    stages: stages.map(({ index, state, share, devices, startedAt, passedAt }) => ({
      index,
      state,
      share,
      devices,
      startedAt,
      passedAt,
    })),
    tallies: talliesOf(stages, await book.countDeployments(db, scope, [rollout])),
    strata: await book.countStrata(db, scope, { rollout }),
    canary: await book.countStrata(db, scope, { rollout, stage: 0 }),
    claims: (await book.claimsOf(db, scope)).toSorted(byRollout),
    busy: [...(await book.busyDevices(db, scope, { except: rollout }))].toSorted(),
    recent: await book.recentOffers(db, scope, { rollout, since: now - minutes(1) }),
    deadline: await book.nextDeadline(db, scope, rollout),
    awaiting: await book.countAwaiting(db, scope, rollout),
    ahead: await book.nextAheadLook(db, scope, { rollout, after: now }),
    untold: await book.untoldDevices(db, scope, { rollout, limit: 10, againBefore: now - 30_000 }),
    current: [...(await book.currentDeployments(db, scope, ["d0", "d1", "d2", "d3", "d4", "d5"]))].toSorted(([a], [b]) =>
      a < b ? -1 : 1,
    ),
    proofs: [...(await book.lastProofs(db, scope, ["d0", "d1", "d2", "d9"]))].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    members: [...(await book.membersAmong(db, scope, { rollout, devices: ["d1", "d9"] }))],
    approvals: (await book.approvalsOf(db, scope, rollout)).length,
    last: [...(await book.lastRollouts(db, scope, ["rel_0", "rel_1", "rel_none"]))].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    unmet: await book.unmetRollouts(db, scope, ["rol_a", "rol_none"]),
    open: (await book.openRollouts(db, scope)).map(({ id }) => id),
    due: (await book.dueRollouts(db, { at: now, limit: 5 })).map(({ id }) => id).toSorted(),
  };
}

/** PostgreSQL keeps nothing where memory has an empty field. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

for (const seed of ["a", "b", "c", "d", "e"]) {
  test(`PostgreSQL and the simulation's memory keep the same book (seed ${seed})`, async () => {
    await using database = await testDatabase();
    const real = await drive(postgresBook, database.db, seed);
    const transaction = () => ({ execute: (work: (tx: unknown) => Promise<unknown>) => work(undefined) });
    const memory = memoryBook(emptyDisk(), { append() {}, undo: () => [] });
    // The book in memory asks its handle for nothing.
    const pretended = await drive(memory, { transaction } as unknown as RolloutsDeps["db"], seed);
    for (const [i, one] of real.entries()) assert.deepEqual(plain(pretended[i]), plain(one), `answer ${i}`);
  });
}
