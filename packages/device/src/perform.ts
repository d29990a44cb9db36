import { describeError, hash32, Problem, unreachable } from "@tenfold/base";
import type { AttestationOutcome, CommandResult, DeploymentReport } from "@tenfold/contracts";
import { armTrial } from "./boot.ts";
import { checkMetadata } from "./check-metadata.ts";
import { type Act as CommandAct, endCommand, judgeCommand, reportedOf, startCommand, toldCommand } from "./commands.ts";
import { heartbeat } from "./heartbeat.ts";
import { provenOffset, toGeneration, trustInterval } from "./identity.ts";
import { type RememberedCommand, toInstallation } from "./memory.ts";
import { topics } from "./messages.ts";
import { failure, type Mind } from "./mind.ts";
import type { Step } from "./next-step.ts";
import { abandon, download, giveUp, install, saveBoot, selfTest, verify } from "./perform-update.ts";

/** After a new certificate, how long a device waits for a word about the roots before it asks by itself. */
const untoldMs = 60_000;

type Act = Exclude<Step, { do: "wait" } | { do: "reboot" }>;

/** Steps of an update, which are noted as they begin: whoever reads the log sees where a device stood when its power failed. */
const told = new Set<Act["do"]>(["verify", "begin_install", "install", "arm", "self_test", "abandon", "give_up"]);

/** Does one step. What fails and may be tried again is noted in the session; what ends an update is recorded in the memory. */
export function perform(mind: Mind, step: Act): Promise<void> {
  if (told.has(step.do)) mind.note("update.step", { step: step.do });
  switch (step.do) {
    case "enroll":
      return enroll(mind, "first");
    case "renew":
      return enroll(mind, "renewal");
    case "refresh_trust":
      return refreshTrust(mind);
    case "check_metadata":
      return checkMetadata(mind, step.offer);
    case "connect":
      return connect(mind);
    case "heartbeat":
      return heartbeat(mind);
    case "telemetry":
      return telemetry(mind);
    case "report":
      return report(mind, step);
    case "run_command":
      return runCommand(mind, step.command);
    case "tell_result":
      return tellResult(mind, step);
    case "tell_state":
      return tellState(mind);
    case "download":
      return download(mind, step.update);
    case "verify":
      return verify(mind, step.update);
    case "begin_install":
      return mind.remember(toInstallation(mind.memory, mind.body.clock.now()));
    case "install":
      return install(mind, step.update);
    case "arm":
      return saveBoot(mind, armTrial(mind.boot, { slot: step.update.slot, tag: step.update.deployment }));
    case "self_test":
      return selfTest(mind);
    case "abandon":
      return abandon(mind, step.detail);
    case "give_up":
      return giveUp(mind, step);
    default:
      return unreachable(step);
  }
}

async function enroll(mind: Mind, kind: "first" | "renewal"): Promise<void> {
  const { session, body } = mind;
  try {
    const { notBefore, notAfter } = await body.enroll(kind, mind.link);
    // [docs/protocol/device.md 2.5] At two thirds of its life, and not all devices of a batch in the same minute.
    const renewAt = notBefore + (notAfter - notBefore) * (2 / 3 - hash32(mind.config.device) / 2 ** 32 / 20);
    await mind.remember({ ...mind.memory, certificate: { notBefore, notAfter, renewAt: Math.floor(renewAt) } });
    session.enrolling = { failures: 0, at: body.clock.mono() };
    session.recovery = "possible";
    // A clock that lies outside the life of what was issued just now is wrong, and would ask for the next one at once.
    session.clockOffset ||= provenOffset({ notBefore, notAfter }, body.clock.now(), "fresh");
    // It may come from an authority that this device does not know yet. Who connects is told; this is for the case that nobody tells.
    session.trustDueAt = Math.min(session.trustDueAt, body.clock.mono() + untoldMs);
    mind.note("certificate.issued", { kind, notAfter: new Date(notAfter).toISOString() });
  } catch (error) {
    mind.later(session.enrolling);
    mind.note("certificate.failed", { kind, ...failure(error) });
    if (kind === "renewal" && error instanceof Problem && error.code === "enrollment_refused") session.recovery = "refused";
    return;
  }
  if (kind === "renewal") await replaceLink(mind);
}

/** The old certificate must not stay in use for as long as its connection lives. */
async function replaceLink(mind: Mind): Promise<void> {
  const { link } = mind;
  mind.link = undefined;
  mind.session.link = "down";
  await link?.close();
}

async function refreshTrust(mind: Mind): Promise<void> {
  const { session, body, config, note, later } = mind;
  const mono = body.clock.mono();
  try {
    await body.refreshTrust(body.clock.now() + session.clockOffset);
    session.refreshing = { failures: 0, at: mono };
    session.trustDueAt = body.clock.mono() + trustInterval(config.device);
    const { notice } = session;
    const followed = notice && toGeneration(mind.memory, { trust: notice.trust, believed: body.vitals().trust?.roots ?? [] });
    if (followed && followed !== mind.memory) await mind.remember(followed);
    // What is believed now stands in the next heartbeat: the platform may be waiting for it.
    session.heartbeatDueAt = Math.min(session.heartbeatDueAt, body.clock.mono());
  } catch (error) {
    later(session.refreshing);
    session.trustDueAt = session.refreshing.at + 1;
    note("trust.not_refreshed", failure(error));
  }
}

async function connect(mind: Mind): Promise<void> {
  const { session } = mind;
  try {
    await mind.openLink();
  } catch (error) {
    // [M23] A refusal, too, says how long to stay away.
    if (error instanceof Problem && error.retryAfterS !== undefined) session.reconnectWithin = error.retryAfterS * 1_000;
    mind.later(session.connecting, session.reconnectWithin);
    mind.note("link.failed", failure(error));
  }
}

async function telemetry(mind: Mind): Promise<void> {
  const { session, body } = mind;
  session.telemetryDueAt = body.clock.mono() + mind.picture().config.telemetryMs;
  await body.takeSample(mind.link).catch((error: unknown) => mind.note("telemetry.failed", failure(error)));
}

async function report(mind: Mind, { deployment, report: said }: { deployment: string; report: DeploymentReport }): Promise<void> {
  const { session, body, config, link } = mind;
  try {
    await link?.publish(topics(config.device).deployment(deployment), JSON.stringify(said));
    session.reporting = { failures: 0, at: body.clock.mono() };
  } catch (error) {
    mind.note("report.failed", { deployment, ...failure(error) });
    // A report that the platform refuses (an old deployment that it forgot) must not be sent for ever.
    if (!(error instanceof Problem && error.code === "publish_refused")) return mind.later(session.reporting);
  }
  const { update } = mind.memory;
  const ended = mind.memory.ended.map((one) => (one.deployment === deployment ? { ...one, told: true } : one));
  // A stage that was told twice after a crash does no harm, so this needs no save of its own.
  const told =
    update?.deployment === deployment && update.stage === said.state ? { update: { ...update, told: update.stage } } : {};
  await mind.remember({ ...mind.memory, ended, ...told });
}

/** [docs/protocol/commands.md C9] Begun only when the memory says so, and so at most once, whenever the power fails. */
async function runCommand(mind: Mind, one: RememberedCommand): Promise<void> {
  const verdict = judgeCommand(mind.picture(), one);
  if (verdict.is === "refuse") {
    mind.note("command.refused", { command: one.command, name: one.name, because: verdict.result.code });
    return mind.remember(endCommand(mind.memory, one, verdict.result));
  }
  await mind.remember(startCommand(mind.memory, one, mind.body.running.bootId));
  mind.note("command.begun", { command: one.command, name: one.name });
  // The start after it answers for a reboot.
  if (verdict.act.do === "reboot") return;
  const result = await act(mind, verdict.act).catch(
    (error: unknown): CommandResult => ({ status: "failed", detail: describeError(error).slice(0, 2_000) }),
  );
  await mind.remember(endCommand(mind.memory, one, result));
}

async function act(mind: Mind, what: Exclude<CommandAct, { do: "reboot" }>): Promise<CommandResult> {
  const { session, body } = mind;
  switch (what.do) {
    case "identify":
      if (body.identify === undefined)
        return { status: "refused", code: "command_unknown", detail: "This device has no light and no sound." };
      await body.identify(what.seconds);
      return { status: "succeeded" };
    case "attest":
      if (body.attest === undefined)
        return { status: "refused", code: "command_unknown", detail: "This device's key is in no TPM." };
      return attested(await body.attest());
    case "report_now":
      session.heartbeatDueAt = session.telemetryDueAt = body.clock.mono();
      return { status: "succeeded" };
    case "set_interval":
      await mind.remember({ ...mind.memory, settings: { ...mind.memory.settings, ...what.settings } });
      // Both begin anew: the platform hears of the new lease at once.
      session.heartbeatDueAt = session.telemetryDueAt = body.clock.mono();
      return { status: "succeeded" };
  }
}

const attested = ({ verdict, because }: AttestationOutcome): CommandResult =>
  verdict === "passed"
    ? { status: "succeeded", detail: because }
    : { status: "failed", code: "attestation_failed", detail: because };

async function tellResult(mind: Mind, { command, result }: { command: string; result: CommandResult }): Promise<void> {
  const topic = topics(mind.config.device).result(command);
  if (await owed(mind, topic, result)) await mind.remember(toldCommand(mind.memory, command));
}

async function tellState(mind: Mind): Promise<void> {
  const { desired } = mind.memory;
  if (desired === undefined) return;
  const topic = topics(mind.config.device).reported;
  if (!(await owed(mind, topic, reportedOf(mind.picture(), desired)))) return;
  await mind.remember({ ...mind.memory, desired: { ...desired, told: true } });
  mind.session.heartbeatDueAt = Math.min(mind.session.heartbeatDueAt, mind.body.clock.mono());
}

/** Publishes what the platform is owed. True when that is over: it is durable there, or will never be taken. */
async function owed({ session, body, link, note, later }: Mind, topic: string, payload: object): Promise<boolean> {
  try {
    await link?.publish(topic, JSON.stringify(payload));
    session.reporting = { failures: 0, at: body.clock.mono() };
    return true;
  } catch (error) {
    note("report.failed", { topic, ...failure(error) });
    if (error instanceof Problem && error.code === "publish_refused") return true;
    later(session.reporting);
    return false;
  }
}
