import { compareVersions } from "@tenfold/base";
import type { DeploymentReason, DeploymentReport, NextDeployment, ReleaseStatement } from "@tenfold/contracts";
import { checkOffer, type Offer, statementHash } from "@tenfold/ota";
import { otherSlot } from "./boot.ts";
import { awaitsWindow, endDeployment, type Memory, toStage, type Update } from "./memory.ts";
import type { Checked } from "./metadata.ts";
import type { Picture } from "./picture.ts";

/**
 * What the device's memory becomes by what it heard at `deployments/next`. Pure, and safe to hear again: an offer that is already being
 * followed, or that has ended here, changes nothing but that its end is told once more.
 */
export function hear(picture: Picture, heard: NextDeployment): Memory {
  switch (heard.is) {
    case "none":
      return withdrawn(picture);
    case "cancel":
      return cancel(picture, heard.deployment, { state: "cancelled", reason: "operator_cancelled" });
    case "offer":
      return hearOffer(picture, heard);
  }
}

/** Nothing is on its way here, says the platform: what has not begun to be installed has ended over there, by its clock or by somebody. */
function withdrawn({ memory }: Picture): Memory {
  const { update } = memory;
  if (update === undefined || update.stage === "installing" || beyondRecall(update)) return memory;
  return endDeployment(memory, {
    deployment: update.deployment,
    report: { state: "cancelled", detail: "The platform has ended it." },
  });
}

/** Past this stage the boot loader decides: a cancellation would only guess at what it is about to do. */
const beyondRecall = (update: Update): boolean => update.stage === "rebooting" || update.stage === "validating";

function cancel({ memory }: Picture, deployment: string, report: DeploymentReport): Memory {
  const { update } = memory;
  if (update?.deployment === deployment) return beyondRecall(update) ? memory : endDeployment(memory, { deployment, report });
  const known = memory.ended.some((one) => one.deployment === deployment);
  return known ? tellAgain(memory, deployment) : endDeployment(memory, { deployment, report });
}

function hearOffer(picture: Picture, offer: Offer): Memory {
  const { memory } = picture;
  const { update } = memory;
  if (update?.deployment === offer.deployment) return hearWindow(picture, update, offer);
  if (memory.ended.some((one) => one.deployment === offer.deployment)) return tellAgain(memory, offer.deployment);
  // Only what runs and is confirmed may be replaced: the other slot holds the way back.
  if ((update && beyondRecall(update)) || picture.boot.trial) return memory;
  if (needsCheck(picture, offer)) return memory;
  const free = update
    ? endDeployment(memory, { deployment: update.deployment, report: { state: "cancelled", reason: "superseded" } })
    : memory;
  return continued(update, judge({ ...picture, memory: free }, offer));
}

/**
 * What is said anew of the window of an update that has not begun to be installed. What was made ready and may be installed now is verified once more:
 * it has lain there, and keys may have been taken back since.
 */
function hearWindow({ memory, now }: Picture, update: Update, offer: Offer): Memory {
  const { window: before, ...rest } = update;
  const window = windowOf(offer, now);
  if (update.stage === "installing" || beyondRecall(update) || sameWindow(before, window)) return memory;
  const again = { ...rest, ...(window ? { window } : {}), deadlineAt: now + offer.deadlineS * 1_000 };
  const released = awaitsWindow(update, now) && !awaitsWindow(again, now);
  return {
    ...memory,
    update: released && update.stage === "verified" ? { ...again, stage: "downloaded", stageSince: now } : again,
  };
}

type Window = NonNullable<Update["window"]>;

function windowOf({ maintenanceWindow: is, windowClosesInS }: Offer, now: number): Window | undefined {
  if (is === undefined) return undefined;
  return is === "available" && windowClosesInS !== undefined ? { is, until: now + windowClosesInS * 1_000 } : { is };
}

/** The end of a window is told in seconds from now, so that it is never quite the same. */
const sameWindow = (one: Window | undefined, other: Window | undefined): boolean =>
  one?.is === other?.is && Math.abs((one?.until ?? 0) - (other?.until ?? 0)) <= 5_000;

/** Another try of the same bytes goes on where the one before it stood; they are verified whole all the same. */
function continued(before: Update | undefined, after: Memory): Memory {
  const { update } = after;
  const same = before?.stage === "downloading" && before.release.signed.artifact.sha256 === update?.release.signed.artifact.sha256;
  return same && update?.slot === before.slot ? { ...after, update: { ...update, received: before.received } } : after;
}

/** Whether signed metadata must be looked at before this offer, or the one that was heard, can be judged. */
export function needsCheck({ session, asksMetadata, memory, boot }: Picture, offer = session.heard): boolean {
  if (!asksMetadata || offer?.is !== "offer" || boot.trial) return false;
  const { deployment } = offer;
  const known = memory.update?.deployment === deployment || memory.ended.some((one) => one.deployment === deployment);
  return !known && session.checked?.deployment !== deployment;
}

type Judged = { is: "accept"; release: ReleaseStatement } | { is: "refuse"; because: DeploymentReason; detail: string };

/** By signed metadata where there is any, and by release keys alone where device and platform know nothing else. */
function judgeOffer(picture: Picture, offer: Offer): Judged {
  const { config, running, session } = picture;
  const { trustedKeys, model, hardwareRevision, securityFloor } = config;
  const floor = securityFloor ? { securityFloor } : {};
  const device = { model, hardwareRevision, currentVersion: running.version };
  const checked = session.checked?.verdict;
  if (checked === undefined || checked.is === "unguarded") return checkOffer({ ...device, ...floor, offer, trustedKeys });
  if (checked.is === "refuse" || checked.is === "unreachable") return { ...checked, is: "refuse" };
  return judgeDirected(checked, offer, (direction) =>
    checkOffer({
      ...device,
      offer: { ...offer, rollback: direction.direction.rollback },
      ...direction.signers,
      ...highest(securityFloor, direction.floor),
    }),
  );
}

type Directed = Extract<Checked, { is: "directed" }>;

/** [Uptane 5.4.4.6] The offer is only news of what both repositories have signed; where it says something else, it is refused. */
function judgeDirected(checked: Exclude<Checked, { is: "refuse" }>, offer: Offer, rest: (directed: Directed) => Judged): Judged {
  const refused = (because: DeploymentReason, detail: string): Judged => ({ is: "refuse", because, detail });
  if (checked.is === "nothing" || checked.direction.deployment !== offer.deployment)
    return refused(
      "metadata_target_missing",
      `In the metadata of the director: ${offer.deployment} is not signed for this device.`,
    );
  const { signed } = offer.release;
  const { direction, custom, runningCounter } = checked;
  const same =
    statementHash(signed) === custom.statement &&
    signed.artifact.size === direction.file.length &&
    signed.artifact.sha256 === direction.file.hashes.sha256;
  if (!same)
    return refused("metadata_repositories_disagree", `What is offered is not what the repositories list as ${direction.path}.`);
  if (!direction.rollback && runningCounter !== undefined && custom.releaseCounter < runningCounter)
    return refused(
      "offer_downgrade_refused",
      `Release counter ${custom.releaseCounter} is below ${runningCounter}, which runs here.`,
    );
  return rest(checked);
}

function highest(...floors: (string | undefined)[]): { securityFloor?: string } {
  const known = floors.filter((floor) => floor !== undefined).toSorted(compareVersions);
  const top = known.at(-1);
  return top === undefined ? {} : { securityFloor: top };
}

function judge(picture: Picture, offer: Offer): Memory {
  const { memory, running, now } = picture;
  const verdict = judgeOffer(picture, offer);
  const { deployment } = offer;
  if (verdict.is === "refuse") {
    return endDeployment(memory, { deployment, report: { state: "failed", reason: verdict.because, detail: verdict.detail } });
  }
  if (verdict.release.artifact.sha256 === running.hash) {
    return endDeployment(memory, {
      deployment,
      report: { state: "skipped", detail: `This device already runs ${verdict.release.version}.` },
    });
  }
  const window = windowOf(offer, now);
  const update: Update = {
    deployment,
    release: offer.release,
    artifactPath: offer.artifactPath,
    deadlineAt: now + offer.deadlineS * 1_000,
    slot: otherSlot(running.slot),
    received: 0,
    stage: "downloading",
    stageSince: now,
    ...(window ? { window } : {}),
  };
  return { ...memory, update };
}

function tellAgain(memory: Memory, deployment: string): Memory {
  const again = (one: Memory["ended"][number]) => (one.deployment === deployment && one.report ? { ...one, told: false } : one);
  return { ...memory, ended: memory.ended.map(again) };
}

/**
 * What the memory becomes by what the boot loader did: the update that was under way is on trial, has been confirmed, or has fallen
 * back. Pure; the same object where nothing changed.
 */
export function settle({ memory, boot, running, now }: Picture): Memory {
  const { update } = memory;
  if (update === undefined || !beyondRecall(update)) return memory;
  const { deployment } = update;
  if (running.slot === update.slot) {
    if (boot.trial) return update.stage === "validating" ? memory : toStage(memory, "validating", now);
    return boot.good === update.slot ? endDeployment(memory, { deployment }) : memory;
  }
  if (boot.fellBack?.tag === deployment) {
    const detail = `The device runs ${running.version} again.`;
    return endDeployment(memory, { deployment, report: { state: "rolled_back", reason: boot.fellBack.because, detail } });
  }
  return memory;
}
