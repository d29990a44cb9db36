import type { Scope } from "@tenfold/base";
import { takesChannel } from "@tenfold/contracts";
import type { Queryable } from "../kernel/index.ts";
import type { StoredRelease } from "../releases/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { type Stone, type Stones, stonesNamed } from "./way.ts";

/** More stones than any product line has; what asks for more has made a circle. */
const most = 50;

/**
 * The releases over which devices may come to this one: named by it or by another stone, registered, usable now, and in a channel that
 * whoever follows this release's takes as well.
 */
export async function stonesOf(
  { releases }: Pick<RolloutsDeps, "releases">,
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
  return stones;
}

const stoneOf = ({ id, version, artifact, envelope }: StoredRelease): Stone => ({
  ...{ release: id, version, sha256: artifact.sha256, size: artifact.size },
  fits: envelope.signed,
});
