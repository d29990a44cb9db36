import { type Offer, type PublicKey, readPublicKey } from "@tenfold/ota";
import { trustInterval } from "./identity.ts";
import { topics } from "./messages.ts";
import { adopt, beginTrust, type Checked, type DeviceTrust, follow, sameTrust } from "./metadata.ts";
import { failure, type Mind } from "./mind.ts";

/** Whose signature the boot loader asks for: keys of roles that listed what lies in the slots, or release keys before there were any. */
export const bootKeysOf = (trust: DeviceTrust | undefined, releaseKeys: readonly PublicKey[]): readonly PublicKey[] =>
  trust === undefined ? releaseKeys : [...trust.bootKeys.map(readPublicKey), ...releaseKeys];

/**
 * Looks at the signed metadata behind an offer, or whether it is still alive where there is none. What was learned is kept first; then
 * the verdict counts. A platform that does not answer is asked again until the offer's own time is over.
 */
export async function checkMetadata(mind: Mind, offer: Offer | undefined): Promise<void> {
  const { body, session } = mind;
  session.metadataDueAt = body.clock.mono() + trustInterval(mind.config.device);
  try {
    const verdict = await look(mind);
    session.checking = { failures: 0, at: body.clock.mono() };
    if (offer) session.checked = { deployment: offer.deployment, verdict };
    if (verdict.is === "refuse") await complain(mind, verdict);
  } catch (error) {
    mind.note("metadata.unreachable", failure(error));
    mind.later(session.checking);
    if (offer && body.clock.mono() >= session.heardAt + offer.deadlineS * 1_000) giveUpOn(mind, offer);
  }
}

async function look(mind: Mind): Promise<Checked | { is: "unguarded" }> {
  const { body, config, session } = mind;
  const { metadata } = body;
  if (metadata === undefined) return { is: "unguarded" };
  await using talk = await metadata.talk();
  const known = mind.trust ?? (config.roots ? beginTrust(config.roots) : await adopt(talk.fetch, config.trustedKeys));
  if (known === undefined) return { is: "unguarded" };
  const clock = body.clock.now();
  const { trust, checked } = await follow(known, talk.fetch, {
    device: config.device,
    model: config.model,
    running: body.running.hash,
    // The platform's time, or a certificate's, can make metadata older than the clock says, never younger: whoever turns a clock back, or
    // owns the platform, cannot keep alive with it what has ended.
    now: clock + Math.max(0, session.clockOffset),
  });
  // Kept before it is acted upon: after a power cut the device must not believe less than what it acted on.
  if (!sameTrust(mind.trust, trust)) {
    await metadata.save(trust);
    if (mind.trust === undefined) mind.note("metadata.adopted");
    mind.trust = trust;
  }
  return checked;
}

/** Somebody should know, also where nothing was offered. Best effort: the deployment's own report is the one that is owed. */
async function complain(
  { note, link, config }: Mind,
  { because, repository, detail }: Extract<Checked, { is: "refuse" }>,
): Promise<void> {
  note("metadata.refused", { because, repository, detail });
  const event = { type: "metadata_refused", severity: "error", detail: { because, repository, detail } };
  await link?.publish(topics(config.device).events, JSON.stringify(event)).catch(() => {});
}

function giveUpOn({ session }: Mind, { deployment }: Offer): void {
  // `metadata_unreachable` is no refusal of metadata: nothing was there to refuse.
  session.checked = {
    deployment,
    verdict: {
      is: "unreachable",
      because: "metadata_unreachable",
      detail: "The platform did not hand out its signed metadata in time.",
    },
  };
}
