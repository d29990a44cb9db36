import { compareVersions } from "@tenfold/base";
import type { DeploymentReason, NextDeployment, ReleaseStatement } from "@tenfold/contracts";
import { type MisfitCause, misfitOf } from "./compatibility.ts";
import { type Trust, verifyRelease } from "./release.ts";

export type Offer = Extract<NextDeployment, { is: "offer" }>;

/** Why a device does not take an offer: the reason it reports. Closed. */
export type RefusedOffer = Extract<
  DeploymentReason,
  | "offer_malformed"
  | "offer_signature_invalid"
  | "offer_incompatible_model"
  | "offer_incompatible_hardware"
  | "offer_below_minimum_version"
  | "offer_must_pass_through"
  | "offer_downgrade_refused"
  | "offer_below_security_floor"
>;

export type OfferVerdict =
  | { is: "accept"; release: ReleaseStatement; direction: "upgrade" | "same" | "downgrade" }
  | { is: "refuse"; because: RefusedOffer; detail: string };

export type OfferCheck = Trust & {
  offer: Offer;
  model: string;
  /** What the device says of its board. A release that is limited to revisions is refused by a device that does not know its own. */
  hardwareRevision?: string | undefined;
  /** What the device runs now. */
  currentVersion: string;
  /** The oldest version that this device ever takes, kept by the device itself; a rollback does not pass below it. */
  securityFloor?: string;
};

/**
 * Decides on a device whether to take an offer. Believes nothing but the signed statement; the server's word counts for one thing
 * only: `rollback` allows a validly signed older release (docs/protocol/updates.md §4).
 */
export function checkOffer({ offer, model, hardwareRevision, currentVersion, securityFloor, ...trust }: OfferCheck): OfferVerdict {
  const verdict = verifyRelease(offer.release, trust);
  if (verdict.is === "refuse")
    return refuse(verdict.because === "envelope_malformed" ? "offer_malformed" : "offer_signature_invalid", verdict.detail);
  const { release } = verdict;
  const path = artifactPath(release.artifact.sha256);
  if (offer.artifactPath !== path)
    return refuse("offer_malformed", `The artifact is offered at ${offer.artifactPath}; the signed one is at ${path}.`);
  const misfit = misfitOf(release, { model, hardwareRevision, version: currentVersion });
  if (misfit) return refuse(misfitReason[misfit.because], misfit.detail);
  if (securityFloor !== undefined && compareVersions(release.version, securityFloor) < 0) {
    return refuse(
      "offer_below_security_floor",
      `${release.version} is older than ${securityFloor}, below which this device never goes.`,
    );
  }
  const direction = directionOf(release.version, currentVersion);
  if (direction === "downgrade" && !offer.rollback) {
    return refuse("offer_downgrade_refused", `${release.version} is older than ${currentVersion}, and the offer is no rollback.`);
  }
  return { is: "accept", release, direction };
}

const misfitReason = {
  model: "offer_incompatible_model",
  hardware: "offer_incompatible_hardware",
  minimum_version: "offer_below_minimum_version",
  pass_through: "offer_must_pass_through",
} as const satisfies Record<MisfitCause, RefusedOffer>;

/** Where the device endpoint serves an artifact. */
export const artifactPath = (sha256: string): string => `/v1/artifacts/${sha256}`;

const directionOf = (offered: string, current: string) =>
  (["downgrade", "same", "upgrade"] as const)[compareVersions(offered, current) + 1] ?? "same";

const refuse = (because: RefusedOffer, detail: string): OfferVerdict => ({ is: "refuse", because, detail });
