import type { CommandResult, DeploymentReport } from "@tenfold/contracts";
import type { Offer } from "@tenfold/ota";
import { rebootUnderWay, waitingCommand } from "./commands.ts";
import { needsCheck } from "./deployments.ts";
import { awaitsWindow, type RememberedCommand, type Update } from "./memory.ts";
import type { Picture } from "./picture.ts";

/** One thing to do. The shell records what the step says before it does it. */
export type Step =
  | { do: "enroll" }
  | { do: "renew" }
  | { do: "refresh_trust" }
  | { do: "check_metadata"; offer: Offer | undefined }
  | { do: "connect" }
  | { do: "heartbeat" }
  | { do: "telemetry" }
  | { do: "report"; deployment: string; report: DeploymentReport }
  | { do: "run_command"; command: RememberedCommand }
  | { do: "tell_result"; command: string; result: CommandResult }
  | { do: "tell_state" }
  | { do: "download"; update: Update }
  | { do: "verify"; update: Update }
  | { do: "begin_install" }
  | { do: "install"; update: Update }
  | { do: "arm"; update: Update }
  | { do: "reboot" }
  | { do: "self_test" }
  | { do: "abandon"; detail: string }
  | { do: "give_up"; deployment: string; report: DeploymentReport }
  | { do: "wait"; untilMono: number };

/**
 * What a device should do next. Pure: the same picture always gives the same step. First an identity, then a link, then how an update
 * ended, then the sign of life, then what is owed to the platform, then telemetry, then the update, which can take long.
 */
export function nextStep(picture: Picture): Step {
  return (
    identityStep(picture) ??
    endStep(picture) ??
    linkStep(picture) ??
    trustStep(picture) ??
    armStep(picture) ??
    reportStep(picture) ??
    commandStep(picture) ??
    telemetryStep(picture) ??
    checkStep(picture) ??
    updateStep(picture) ?? { do: "wait", untilMono: wakeAt(picture) }
  );
}

function identityStep({ memory, session, now, mono }: Picture): Step | undefined {
  const { certificate } = memory;
  const time = now + session.clockOffset;
  if (certificate && time < certificate.renewAt) return undefined;
  if (session.enrolling.at > mono) return undefined;
  // [docs/protocol/enrollment.md 3.7] A device that slept past the end recovers with what it has, before it begins anew.
  const anew = certificate === undefined || (time >= certificate.notAfter && session.recovery === "refused");
  return anew ? { do: "enroll" } : { do: "renew" };
}

/** A certificate that has ended connects nowhere. */
const mayConnect = ({ memory: { certificate }, session, now }: Picture): boolean =>
  certificate !== undefined && now + session.clockOffset < certificate.notAfter;

function linkStep(picture: Picture): Step | undefined {
  const { session, mono } = picture;
  if (session.link === "down") return mayConnect(picture) && session.connecting.at <= mono ? { do: "connect" } : undefined;
  return session.heartbeatDueAt <= mono ? { do: "heartbeat" } : undefined;
}

function trustStep({ memory, session, mono }: Picture): Step | undefined {
  return memory.certificate && session.trustDueAt <= mono ? { do: "refresh_trust" } : undefined;
}

/** An offer waits until its metadata was looked at; and now and then a device looks without an offer, so that it notices a freeze. */
function checkStep(picture: Picture): Step | undefined {
  const { session, memory, mono, trust, asksMetadata } = picture;
  if (!asksMetadata || memory.certificate === undefined || session.checking.at > mono) return undefined;
  if (needsCheck(picture)) return { do: "check_metadata", offer: session.heard?.is === "offer" ? session.heard : undefined };
  return trust && session.metadataDueAt <= mono ? { do: "check_metadata", offer: undefined } : undefined;
}

/**
 * [docs/protocol/updates.md U17] How an update ended, before the sign of life of the boot that it ended in: the platform would conclude
 * from that heartbeat alone that it fell back, and never hear why.
 */
function endStep({ memory, session, mono }: Picture): Step | undefined {
  if (session.link === "down" || session.reporting.at > mono) return undefined;
  const owed = memory.ended.find((one) => !one.told && one.report);
  return owed?.report && { do: "report", deployment: owed.deployment, report: owed.report };
}

function reportStep({ memory, session, mono }: Picture): Step | undefined {
  if (session.link === "down" || session.reporting.at > mono) return undefined;
  const { update } = memory;
  return update && update.told !== update.stage
    ? { do: "report", deployment: update.deployment, report: { state: update.stage } }
    : undefined;
}

/** What was begun comes first, then what is owed, then what waits: a device does not take on more than it can answer for. */
function commandStep(picture: Picture): Step | undefined {
  const { memory, session, mono } = picture;
  if (rebootUnderWay(picture)) return { do: "reboot" };
  if (session.link === "up" && session.reporting.at <= mono) {
    const owed = memory.commands.find(({ result, told }) => result !== undefined && !told);
    if (owed?.result) return { do: "tell_result", command: owed.command, result: owed.result };
    if (memory.desired && !memory.desired.told) return { do: "tell_state" };
  }
  const waiting = waitingCommand(memory);
  return waiting && { do: "run_command", command: waiting };
}

function updateStep(picture: Picture): Step | undefined {
  const { update } = picture.memory;
  if (update === undefined) return undefined;
  switch (update.stage) {
    case "downloading":
      return downloadStep(picture, update);
    case "downloaded":
      return { do: "verify", update };
    case "verified":
      return awaitsWindow(update, picture.now) ? undefined : { do: "begin_install" };
    case "installing":
      return { do: "install", update };
    case "rebooting":
      return rebootStep(picture, update);
    case "validating":
      return trialStep(picture);
  }
}

function downloadStep({ now, mono, session }: Picture, update: Update): Step | undefined {
  if (now > update.deadlineAt) {
    const detail = `${update.received} of ${update.release.signed.artifact.size} bytes arrived before the deadline.`;
    // Broken connections are the network's; without one the time was too short.
    const reason = session.downloading.failures > 0 ? "download_network" : "download_timed_out";
    return { do: "give_up", deployment: update.deployment, report: { state: "failed", reason, detail } };
  }
  return session.downloading.at <= mono ? { do: "download", update } : undefined;
}

/**
 * [docs/protocol/updates.md U17] Before the platform is told of a reboot, the next start must be the new firmware's: power that fails
 * between the two would otherwise look like a fall back.
 */
function armStep({ memory: { update }, boot }: Picture): Step | undefined {
  return update?.stage === "rebooting" && boot.trial?.tag !== update.deployment ? { do: "arm", update } : undefined;
}

function rebootStep({ now, config }: Picture, update: Update): Step | undefined {
  // The platform should know of the reboot before the silence, but an update does not hang on its answer.
  return update.told === "rebooting" || now >= update.stageSince + config.reportPatienceMs ? { do: "reboot" } : undefined;
}

function trialStep({ session, running, mono, config, boot }: Picture): Step | undefined {
  // The trial was given up, and only the start of the good slot is missing.
  if (boot.trial === undefined) return { do: "reboot" };
  if (session.heardThisBoot) return { do: "self_test" };
  if (mono < running.bootedAt + config.trialPatienceMs) return undefined;
  return { do: "abandon", detail: "The new firmware did not reach the platform." };
}

function telemetryStep({ session, mono }: Picture): Step | undefined {
  return session.telemetryDueAt <= mono ? { do: "telemetry" } : undefined;
}

function checkTimes(picture: Picture): number[] {
  const { memory, session, asksMetadata, trust } = picture;
  if (memory.certificate === undefined || !asksMetadata) return [];
  if (needsCheck(picture)) return [session.checking.at];
  return trust ? [Math.max(session.metadataDueAt, session.checking.at)] : [];
}

/** The earliest moment at which the answer can change by itself. Events (link, offer) wake the device sooner. */
function wakeAt(picture: Picture): number {
  const { memory, session, config, running, now, mono } = picture;
  const { certificate, update } = memory;
  const atWall = (wall: number) => mono + Math.max(0, wall - now);
  const identityDue = Math.max(session.enrolling.at, certificate ? atWall(certificate.renewAt - session.clockOffset) : mono);
  const times = [identityDue, session.telemetryDueAt];
  if (certificate) times.push(session.trustDueAt);
  times.push(...checkTimes(picture));
  if (session.link === "up") times.push(session.heartbeatDueAt);
  else if (mayConnect(picture)) times.push(session.connecting.at);
  if (update?.stage === "downloading") times.push(Math.max(session.downloading.at, mono), atWall(update.deadlineAt + 1));
  if (update?.stage === "rebooting") times.push(atWall(update.stageSince + config.reportPatienceMs));
  if (update?.stage === "validating" && !session.heardThisBoot) times.push(running.bootedAt + config.trialPatienceMs);
  const owes =
    memory.ended.some((one) => !one.told) ||
    (update && update.told !== update.stage) ||
    memory.commands.some(({ result, told }) => result !== undefined && !told) ||
    memory.desired?.told === false;
  if (owes && session.link === "up") times.push(session.reporting.at);
  // Never at once again: a step that could be taken now has been ruled out above.
  return Math.max(mono + 1, Math.min(...times));
}
