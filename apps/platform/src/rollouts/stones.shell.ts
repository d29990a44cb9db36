import type { Scope } from "@tenfold/base";
import { type RolloutPhase, takesChannel } from "@tenfold/contracts";
import type { Queryable } from "../kernel/index.ts";
import type { StoredRelease } from "../releases/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { isHalted } from "./rollout.ts";
import type { StoredRollout } from "./store.ts";
import { type Stone, type Stones, stonesNamed } from "./way.ts";

/** More stones than any product line has; what asks for more has made a circle. */
const most = 50;

/**
 * The releases over which devices may come to this one: named by it or by another stone, registered, usable now, in a channel that whoever
 * follows this release's takes as well, and not found bad: nobody is led over what the last rollout of it took back.
 */
export async function stonesOf(
  { releases, book }: Pick<RolloutsDeps, "releases" | "book">,
  on: Queryable,
  scope: Scope,
  release: StoredRelease,
): Promise<Stones> {
  const stones = new Map<string, Stone>();
  const asked = new Set<string>([release.version]);
  const queue = stonesNamed(release.envelope.signed);
  for (let version = queue.shift(); version !== undefined && asked.size < most; version = queue.shift()) {
    if (asked.has(version)) continue;
    asked.add(version);
    const found = await releases.get(on, scope, `${release.name}@${version}`);
    if (found === undefined || !takesChannel(release.channel, found.channel)) continue;
    if ((await releases.usability(on, scope, found)).is === "unusable") continue;
    stones.set(version, stoneOf(found));
    queue.push(...stonesNamed(found.envelope.signed));
  }
  const last = await book.lastRollouts(
    on,
    scope,
    [...stones.values()].map((stone) => stone.release),
  );
  return new Map([...stones].flatMap(([version, stone]) => standing(stone, last.get(stone.release)).map((one) => [version, one])));
}

/** A stone as its last rollout leaves it: none where that was taken back, and one that has yet to be proven where it goes on. */
function standing(stone: Stone, last: { id: string; phase: RolloutPhase } | undefined): Stone[] {
  if (last === undefined || last.phase === "completed" || last.phase === "cancelled") return [stone];
  return isHalted(last.phase) ? [] : [{ ...stone, provenBy: last.id }];
}

/** Rollouts that lead devices over this one's release, and so wait for it whatever they weigh. */
export async function waitingFor(
  deps: Pick<RolloutsDeps, "releases" | "book">,
  on: Queryable,
  scope: Scope,
  { id, weight, release }: StoredRollout,
): Promise<string[]> {
  const waiting: string[] = [];
  for (const other of await deps.book.openRollouts(on, scope)) {
    if (other.id === id || other.weight <= weight) continue;
    const wanted = await deps.releases.get(on, scope, other.release.id);
    const stones = wanted ? await stonesOf(deps, on, scope, wanted) : new Map<string, Stone>();
    if ([...stones.values()].some((stone) => stone.release === release.id)) waiting.push(other.id);
  }
  return waiting;
}

const stoneOf = ({ id, version, artifact, envelope }: StoredRelease): Stone => ({
  ...{ release: id, version, sha256: artifact.sha256, size: artifact.size },
  fits: envelope.signed,
});
