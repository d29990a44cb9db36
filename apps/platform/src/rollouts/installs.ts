import type { Block } from "./conditions.ts";
import { lookAgainAt } from "./line.ts";
import { type Ahead, type Overdue, type Picture, placesLeft } from "./picture.ts";
import { isHalted, type Rollout } from "./rollout.ts";
import { heldUp } from "./standstill.ts";
import { deadlineOf, stepOf } from "./steps.ts";

export type Recall = { do: "recall_install"; deployment: string; device: string; awaits: boolean; deadlineAt: number };

/** What comes of devices that download ahead of their window. */
export type InstallStep =
  | { do: "let_install"; deployment: string; device: string; deadlineAt: number; finalAt: number; until?: number; online?: boolean }
  | { do: "await_window"; deployment: string; device: string; block: Block; lookAgainAt: number }
  | Recall;

/**
 * Lets those install whose window is open, as many as there are places; and takes that back where the window closed before the device began. Whoever
 * only waits takes no place; whoever still downloads has one already.
 */
export function installs(rollout: Rollout, picture: Picture, now: number): InstallStep[] {
  const still = heldUp(rollout, picture, now);
  let { places } = placesLeft(rollout, picture);
  let rate = rollout.perMinute === undefined ? Number.POSITIVE_INFINITY : rollout.perMinute - (picture.recentOffers?.count ?? 0);
  return (picture.ahead ?? []).flatMap((one): InstallStep[] => {
    if (one.go !== undefined) return recall(one, rollout, now);
    const { deployment, device, block } = one;
    if (block !== undefined)
      return [{ do: "await_window", deployment, device, block, lookAgainAt: lookAgainAt(device, block, now) }];
    if (still !== undefined || rate <= 0 || (one.awaits && places <= 0)) return [];
    rate -= 1;
    if (one.awaits) places -= 1;
    return [letInstall(one, rollout, now)];
  });
}

function letInstall(
  { deployment, device, state, deadlineAt, closesAt, online }: Ahead,
  rollout: Rollout,
  now: number,
): InstallStep {
  const finalAt = now + rollout.deadlineMs;
  const step = stepOf(state) ?? "install";
  // A download goes on with the time that it has.
  const due =
    state === "downloading" ? Math.min(deadlineAt, finalAt) : deadlineOf(step, { timeouts: rollout.timeouts, finalAt }, now);
  return {
    do: "let_install",
    deployment,
    device,
    deadlineAt: due,
    finalAt,
    ...(closesAt === undefined ? {} : { until: closesAt }),
    // To who has not taken it, this is the offer.
    ...(state === "offered" ? { online } : {}),
  };
}

/** Only of those that are heard: for one that is silent its deadline goes on, because silence counts. */
function recall({ deployment, device, state, offeredAt, deadlineAt, online, go }: Ahead, rollout: Rollout, now: number): Recall[] {
  if (go?.until === undefined || now < go.until || !online) return [];
  const awaits = stepOf(state) === "install";
  return [
    { do: "recall_install", deployment, device, awaits, deadlineAt: awaits ? patienceOf({ offeredAt }, rollout) : deadlineAt },
  ];
}

/** How long a device may wait for its window with nothing to do. */
export const patienceOf = ({ offeredAt }: { offeredAt: number }, { giveUpAfterMs }: Pick<Rollout, "giveUpAfterMs">): number =>
  offeredAt + giveUpAfterMs;

/**
 * Who has not taken what it might download ahead waits for its window like every other (a client that cannot download ahead is not even shown it), and
 * who is heard and had not begun when its window closed waits for the next: nothing can have harmed it.
 */
export function waitOn(overdue: Overdue, rollout: Rollout, now: number): Recall | undefined {
  const { deployment, device, ahead, awaits } = overdue;
  const deadlineAt = patienceOf(overdue, rollout);
  if (!ahead || awaits || !mayWait(overdue, now) || isHalted(rollout.phase) || deadlineAt <= now) return undefined;
  return { do: "recall_install", deployment, device, awaits: true, deadlineAt };
}

/** Nothing can have been installed: it was not let, or is heard and had not begun when its window closed. */
export function mayWait({ state, goAt, goUntil, heard = false }: Overdue, now: number): boolean {
  if (goAt === undefined) return state === "offered";
  return (
    heard &&
    goUntil !== undefined &&
    goUntil <= now &&
    (state === "offered" || stepOf(state) === "install") &&
    state !== "installing"
  );
}

/** What keeps a device from installing that has nothing else to do. */
export const awaitingBlock = (version: string, block: Block): Block =>
  block.code === "outside_window"
    ? { ...block, code: "awaits_window", because: `It has ${version} ready. ${block.because}` }
    : { ...block, because: `It has ${version} ready and waits. ${block.because}` };
