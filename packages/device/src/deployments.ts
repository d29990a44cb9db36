import type { DeploymentReport, NextDeployment } from "@tenfold/contracts";
import { checkOffer, type Offer } from "@tenfold/ota";
import { otherSlot } from "./boot.ts";
import { endDeployment, type Memory, toStage, type Update } from "./memory.ts";
import type { Picture } from "./picture.ts";

/**
 * What the device's memory becomes by what it heard at `deployments/next`. Pure, and safe to hear again: an offer that is already being
 * followed, or that has ended here, changes nothing but that its end is told once more.
 */
export function hear(picture: Picture, heard: NextDeployment): Memory {
  const { memory } = picture;
  switch (heard.is) {
    case "none":
      return memory;
    case "cancel":
      return cancel(picture, heard.deployment, { state: "cancelled", reason: "operator_cancelled" });
    case "offer":
      return hearOffer(picture, heard);
  }
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
  if (update?.deployment === offer.deployment) return memory;
  if (memory.ended.some((one) => one.deployment === offer.deployment)) return tellAgain(memory, offer.deployment);
  // Only what runs and is confirmed may be replaced: the other slot holds the way back.
  if ((update && beyondRecall(update)) || picture.boot.trial) return memory;
  const free = update
    ? endDeployment(memory, { deployment: update.deployment, report: { state: "cancelled", reason: "superseded" } })
    : memory;
  return judge({ ...picture, memory: free }, offer);
}

function judge({ memory, config, running, now }: Picture, offer: Offer): Memory {
  const { trustedKeys, model, hardwareRevision, securityFloor } = config;
  const verdict = checkOffer({
    offer,
    trustedKeys,
    model,
    hardwareRevision,
    currentVersion: running.version,
    ...(securityFloor ? { securityFloor } : {}),
  });
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
  const update: Update = {
    deployment,
    release: offer.release,
    artifactPath: offer.artifactPath,
    deadlineAt: now + offer.deadlineS * 1_000,
    slot: otherSlot(running.slot),
    received: 0,
    stage: "downloading",
    stageSince: now,
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
