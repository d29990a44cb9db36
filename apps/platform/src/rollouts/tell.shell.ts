import { type Scope, seconds } from "@tenfold/base";
import type { NextDeployment } from "@tenfold/contracts";
import { artifactPath } from "@tenfold/ota";
import type { Current } from "./deployments.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { isHalted } from "./rollout.ts";

/** An offer that is not answered is sent again after this long. */
const tellAgainAfter = seconds(30);

/** Has devices told that have not been. Resolves to how many there were, a batch at most. */
export async function tellDevices(deps: RolloutsDeps, scope: Scope, { id, limit }: { id: string; limit: number }): Promise<number> {
  const { db, book, refresh, clock } = deps;
  const untold = await book.untoldDevices(db, scope, { rollout: id, limit, againBefore: clock.now() - tellAgainAfter });
  if (untold.length === 0) return 0;
  const told: string[] = [];
  try {
    for (const { deployment, device } of untold) {
      await refresh(device, "deployments/next");
      told.push(deployment);
    }
  } finally {
    await book.markTold(db, scope, { deployments: told, at: clock.now() });
  }
  return untold.length;
}

/** What each device finds at `deployments/next` now. The tables are the only truth, so that asking and being told are the same. */
export async function documentsFor(
  { db, book, releases, clock }: Pick<RolloutsDeps, "db" | "book" | "releases" | "clock">,
  scope: Scope,
  devices: readonly string[],
): Promise<Map<string, NextDeployment>> {
  const current = await book.currentDeployments(db, scope, devices);
  const wanted = [...new Set([...current.values()].filter((one) => !isCancelled(one)).map(({ release }) => release))];
  const envelopes = new Map(
    await Promise.all(wanted.map(async (id) => [id, (await releases.get(db, scope, id))?.envelope] as const)),
  );
  return new Map(devices.map((device) => [device, documentOf(current.get(device), envelopes, clock.now())]));
}

type Envelope = Extract<NextDeployment, { is: "offer" }>["release"];

function documentOf(
  current: Current | undefined,
  envelopes: ReadonlyMap<string, Envelope | undefined>,
  now: number,
): NextDeployment {
  if (current === undefined) return { is: "none" };
  const { deployment, rollback, deadlineAt } = current;
  if (isCancelled(current)) return { is: "cancel", deployment };
  const release = envelopes.get(current.release);
  if (release === undefined) return { is: "none" };
  return {
    ...{ is: "offer", deployment, release, artifactPath: artifactPath(release.signed.artifact.sha256), rollback },
    deadlineS: secondsUntil(deadlineAt, now),
    ...windowOf(current, now),
  };
}

const secondsUntil = (at: number, now: number): number => Math.max(1, Math.ceil((at - now) / 1_000));

/** What a device hears of its window that downloads ahead of it. */
function windowOf({ ahead }: Current, now: number) {
  if (ahead === undefined) return {};
  const { go } = ahead;
  if (go === undefined || (go.until !== undefined && go.until <= now)) return { maintenanceWindow: "unavailable" as const };
  return {
    maintenanceWindow: "available" as const,
    ...(go.until === undefined ? {} : { windowClosesInS: Math.max(1, Math.floor((go.until - now) / 1_000)) }),
  };
}

const isCancelled = ({ rollback, phase }: Current): boolean => !rollback && isHalted(phase);
