/** The steps of an update: what is fetched, looked at, installed, tried and given up. */
import { describeError, Problem } from "@tenfold/base";
import type { DeploymentReason, DeploymentReport } from "@tenfold/contracts";
import { verifyRelease } from "@tenfold/ota";
import { abandonTrial, confirmTrial } from "./boot.ts";
import { bootKeysOf } from "./check-metadata.ts";
import { deviceProblems } from "./errors.ts";
import { heartbeat } from "./heartbeat.ts";
import { endDeployment, toStage, type Update } from "./memory.ts";
import { topics } from "./messages.ts";
import { type Artifact, failure, type Mind } from "./mind.ts";

/** Bytes between two saves of how far a download has come. */
const sliceBytes = 256 * 1024;

export async function download(mind: Mind, update: Update): Promise<void> {
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
export async function verify(mind: Mind, update: Update): Promise<void> {
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

export async function install(mind: Mind, update: Update): Promise<void> {
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

export async function selfTest(mind: Mind): Promise<void> {
  const result = await mind.body.selfTest();
  if (result.is === "fail") return abandon(mind, result.detail);
  await saveBoot(mind, confirmTrial(mind.boot));
  // Only this heartbeat tells the platform that the update has succeeded.
  mind.session.heartbeatDueAt = mind.body.clock.mono();
  mind.note("firmware.confirmed", { version: mind.body.running.version });
}

export async function abandon(mind: Mind, detail: string): Promise<void> {
  mind.note("firmware.abandoned", { version: mind.body.running.version, because: detail });
  await saveBoot(mind, abandonTrial(mind.boot, "validate_self_test_failed"));
}

export async function saveBoot(mind: Mind, record: Mind["boot"]): Promise<void> {
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

export async function giveUp(
  mind: Mind,
  { deployment, report: said }: { deployment: string; report: DeploymentReport },
): Promise<void> {
  await mind.artifact?.close();
  await mind.remember(endDeployment(mind.memory, { deployment, report: said }));
  mind.note("deployment.failed", { deployment, because: said.reason, detail: said.detail });
}

const isNoSpace = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOSPC";
