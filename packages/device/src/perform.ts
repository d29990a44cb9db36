import { describeError, hash32, Problem, unreachable } from "@tenfold/base";
import type { AttestationOutcome, CommandResult, DeploymentReason, DeploymentReport } from "@tenfold/contracts";
import { verifyRelease } from "@tenfold/ota";
import { abandonTrial, armTrial, confirmTrial } from "./boot.ts";
import { bootKeysOf, checkMetadata } from "./check-metadata.ts";
import { type Act as CommandAct, endCommand, judgeCommand, reportedOf, startCommand, toldCommand } from "./commands.ts";
import { deviceProblems } from "./errors.ts";
import { provenOffset, toGeneration, trustInterval } from "./identity.ts";
import { endDeployment, type RememberedCommand, toInstallation, toStage, type Update } from "./memory.ts";
import { heartbeatOf, topics } from "./messages.ts";
import { type Artifact, failure, type Mind } from "./mind.ts";
import type { Step } from "./next-step.ts";

/** Heartbeat numbers that are reserved by one save, so that a heartbeat costs no write to flash. */
const seqBlock = 64;
/** Bytes between two saves of how far a download has come. */
const sliceBytes = 256 * 1024;

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

async function heartbeat(mind: Mind): Promise<void> {
  const { session, body, link } = mind;
  const { config } = mind.picture();
  if (session.seq >= mind.memory.seqReserved) await mind.remember({ ...mind.memory, seqReserved: session.seq + seqBlock });
  const payload = JSON.stringify(heartbeatOf(mind.picture(), body.vitals()));
  session.seq += 1;
  session.heartbeatDueAt = body.clock.mono() + config.heartbeatMs;
  try {
    await link?.publish(topics(config.device).heartbeat, payload);
    session.heardThisBoot = true;
  } catch (error) {
    session.heartbeatDueAt = body.clock.mono() + Math.min(config.heartbeatMs, config.retryBaseMs);
    mind.note("heartbeat.failed", failure(error));
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

async function download(mind: Mind, update: Update): Promise<void> {
  const { body } = mind;
  try {
    mind.artifact ??= await openArtifact(mind, update);
    // Opening may have found fewer bytes in the slot than the memory knew of.
    await takeSlice(mind, mind.artifact, mind.memory.update ?? update);
  } catch (error) {
    await mind.artifact?.close();
    if (error instanceof Problem && error.code === "download_refused")
      return fail(mind, update, { reason: "download_other", error });
    if (isNoSpace(error)) return fail(mind, update, { reason: "download_no_space", error });
    mind.later(mind.session.downloading);
    mind.note("download.interrupted", { deployment: update.deployment, received: mind.memory.update?.received, ...failure(error) });
    return;
  }
  mind.session.downloading = { failures: 0, at: body.clock.mono() };
}

/** Goes on where the slot certainly ends. The memory knew of no more bytes than were flushed, so none is skipped. */
async function openArtifact(mind: Mind, update: Update): Promise<Artifact> {
  const { slots } = mind.body;
  const from = update.received === 0 ? 0 : await slots.keep(update.slot, update.received);
  if (from === 0) await slots.erase(update.slot);
  if (from !== update.received) await mind.remember({ ...mind.memory, update: { ...update, received: from } });
  const iterator = (await mind.body.download({ path: update.artifactPath, from }))[Symbol.asyncIterator]();
  return {
    iterator,
    async close() {
      mind.artifact = undefined;
      await iterator.return?.().catch(() => {});
    },
  };
}

/** One slice, so that the sign of life does not wait for a long download. */
async function takeSlice(mind: Mind, artifact: Artifact, update: Update): Promise<void> {
  const { size } = update.release.signed.artifact;
  const slice = { received: update.received, ended: update.received >= size };
  try {
    await fillSlice(mind, artifact, { update, slice });
  } finally {
    // What came before a failure counts too: a weak network must get there by and by.
    await mind.body.slots.flush(update.slot);
    await mind.remember({ ...mind.memory, update: { ...update, received: Math.min(slice.received, size) } });
  }
  if (slice.received > size) return giveUpOnSize(mind, update, slice.received);
  if (!slice.ended) return;
  await artifact.close();
  if (slice.received < size) throw new Error(`The download ended after ${slice.received} of ${size} bytes.`);
  await mind.remember(toStage(mind.memory, "downloaded", mind.body.clock.now()));
}

type Slice = { received: number; ended: boolean };

async function fillSlice(
  { body, session }: Mind,
  artifact: Artifact,
  { update, slice }: { update: Update; slice: Slice },
): Promise<void> {
  const { size } = update.release.signed.artifact;
  const mayGoOn = () => session.link === "down" || body.clock.mono() < session.heartbeatDueAt;
  while (!slice.ended && slice.received - update.received < sliceBytes && mayGoOn()) {
    const { value, done } = await artifact.iterator.next();
    if (done === true) {
      slice.ended = true;
      return;
    }
    const total = slice.received + value.byteLength;
    if (total <= size) await body.slots.append(update.slot, value);
    slice.received = total;
    slice.ended = total >= size;
  }
}

async function giveUpOnSize(mind: Mind, update: Update, received: number): Promise<void> {
  await mind.artifact?.close();
  const error = new Error(`At least ${received} bytes came; the release says ${update.release.signed.artifact.size}.`);
  await fail(mind, update, { reason: "download_size_mismatch", error });
}

/** [docs/protocol/device.md 5.4] What lies in the slot, read back, against what was signed. */
async function verify(mind: Mind, update: Update): Promise<void> {
  const { artifact } = update.release.signed;
  const { sha256, size } = await mind.body.slots.digest(update.slot);
  if (size !== artifact.size) {
    return fail(mind, update, {
      reason: "download_size_mismatch",
      error: new Error(`The slot holds ${size} bytes, not ${artifact.size}.`),
    });
  }
  if (sha256 !== artifact.sha256) {
    return fail(mind, update, {
      reason: "download_hash_mismatch",
      error: new Error(`The slot hashes to ${sha256}, not ${artifact.sha256}.`),
    });
  }
  const verdict = verifyRelease(update.release, { trustedKeys: bootKeysOf(mind.trust, mind.config.trustedKeys) });
  if (verdict.is === "refuse") return fail(mind, update, { reason: "verify_signature_invalid", error: new Error(verdict.detail) });
  await mind.remember(toStage(mind.memory, "verified", mind.body.clock.now()));
}

async function install(mind: Mind, update: Update): Promise<void> {
  const watch = whileInstalling(mind, update);
  try {
    await mind.body.slots.install(update.slot, update.release, watch.onProgress);
  } catch (error) {
    await watch.settled();
    return fail(mind, update, { reason: installReason(error), error });
  }
  // A heartbeat may be saving its number: one after the other.
  await watch.settled();
  await mind.remember(toStage(mind.memory, "rebooting", mind.body.clock.now()));
}

/** The sign of life does not wait for a long installation, and who watches sees it move. */
function whileInstalling(mind: Mind, { deployment }: Update) {
  const { session, body, config } = mind;
  let told = 0;
  let beating: Promise<void> | undefined;
  const onProgress = (share: number): void => {
    if (mind.link === undefined) return;
    if (body.clock.mono() >= session.heartbeatDueAt)
      beating ??= heartbeat(mind).finally(() => {
        beating = undefined;
      });
    if (share < told + 0.1 || share >= 1) return;
    told = share;
    const report: DeploymentReport = { state: "installing", progress: share };
    mind.link.publish(topics(config.device).deployment(deployment), JSON.stringify(report)).catch(() => {});
  };
  return { onProgress, settled: async () => beating };
}

function installReason(error: unknown): DeploymentReason {
  if (isNoSpace(error)) return "install_no_space";
  switch (error instanceof Problem ? error.code : undefined) {
    case deviceProblems.install_incompatible.code:
      return "install_incompatible";
    case deviceProblems.install_untrusted.code:
      return "verify_signature_invalid";
    case deviceProblems.install_failed.code:
      return "install_other";
    default:
      return "install_write_failed";
  }
}

async function selfTest(mind: Mind): Promise<void> {
  const result = await mind.body.selfTest();
  if (result.is === "fail") return abandon(mind, result.detail);
  await saveBoot(mind, confirmTrial(mind.boot));
  // Only this heartbeat tells the platform that the update has succeeded.
  mind.session.heartbeatDueAt = mind.body.clock.mono();
  mind.note("firmware.confirmed", { version: mind.body.running.version });
}

async function abandon(mind: Mind, detail: string): Promise<void> {
  mind.note("firmware.abandoned", { version: mind.body.running.version, because: detail });
  await saveBoot(mind, abandonTrial(mind.boot, "validate_self_test_failed"));
}

async function saveBoot(mind: Mind, record: Mind["boot"]): Promise<void> {
  await mind.body.saveBoot(record);
  mind.boot = record;
}

async function fail(
  mind: Mind,
  { deployment }: Update,
  { reason, error }: { reason: DeploymentReason; error: unknown },
): Promise<void> {
  await giveUp(mind, { deployment, report: { state: "failed", reason, detail: describeError(error).slice(0, 2_000) } });
}

async function giveUp(mind: Mind, { deployment, report: said }: { deployment: string; report: DeploymentReport }): Promise<void> {
  await mind.artifact?.close();
  await mind.remember(endDeployment(mind.memory, { deployment, report: said }));
  mind.note("deployment.failed", { deployment, because: said.reason, detail: said.detail });
}

const isNoSpace = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOSPC";
