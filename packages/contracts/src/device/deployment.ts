import { compareVersions } from "@tenfold/base";
import { z } from "zod";

/** The life of one update on one device (docs/protocol/updates.md). */
export const deploymentState = z.enum([
  "queued",
  "offered",
  "downloading",
  "downloaded",
  "verified",
  "installing",
  "rebooting",
  "validating",
  "succeeded",
  "failed",
  "rolled_back",
  "unresponsive",
  "skipped",
  "cancelled",
]);
export type DeploymentState = z.infer<typeof deploymentState>;

/** States that never change again. */
export const finalDeploymentStates = [
  "succeeded",
  "failed",
  "rolled_back",
  "unresponsive",
  "skipped",
  "cancelled",
] as const satisfies DeploymentState[];

/** Why an update did not end well: stage, then cause. Closed; a device that knows no better says `<stage>_other`. */
export const deploymentReason = z.enum([
  "offer_malformed",
  "offer_incompatible_model",
  "offer_incompatible_hardware",
  "offer_below_minimum_version",
  /** A stepping stone that the release names was not installed before it. */
  "offer_must_pass_through",
  "offer_signature_invalid",
  "offer_downgrade_refused",
  "offer_below_security_floor",
  // The signed metadata behind an offer (docs/protocol/updates.md U20 to U33).
  "metadata_unreachable",
  "metadata_malformed",
  "metadata_too_large",
  "metadata_signature_invalid",
  "metadata_rollback",
  "metadata_expired",
  "metadata_mismatch",
  "metadata_missing",
  "metadata_target_missing",
  "metadata_wrong_device",
  "metadata_wrong_hardware",
  "metadata_repositories_disagree",
  "download_network",
  "download_hash_mismatch",
  "download_size_mismatch",
  "download_no_space",
  /** Heard all the time, and not done with the step when its time was over. */
  "download_timed_out",
  "download_other",
  "verify_signature_invalid",
  "verify_other",
  "install_no_space",
  "install_write_failed",
  /** The device's own installer (RAUC, SWUpdate) says that the image was made for other hardware. */
  "install_incompatible",
  "install_timed_out",
  "install_other",
  "boot_timed_out",
  "boot_loop",
  "boot_fell_back",
  "validate_self_test_failed",
  "validate_wrong_version",
  "silent_after_offer",
  "silent_after_reboot",
  "silent_during_update",
  "operator_cancelled",
  "rollout_halted",
  /** The device already runs something else than what this deployment set out from. */
  "superseded",
  /** Suspended, quarantined or retired since the rollout began. */
  "device_not_active",
  /** A rollback for which no release is known: the firmware before the update was never registered here. */
  "rollback_target_unknown",
  /** Its turn had come, and for the plan's whole patience something stood against an offer. */
  "could_not_be_offered",
  /** It had downloaded the release ahead of its window, and for the plan's whole patience something stood against installing it. */
  "could_not_be_installed",
]);
export type DeploymentReason = z.infer<typeof deploymentReason>;

/** A signature over the canonical JSON of `signed` (docs/protocol/updates.md). */
export const signature = z.strictObject({ keyid: z.string().regex(/^[0-9a-f]{64}$/), sig: z.string().min(1).max(1_024) });

const shortText = z.string().min(1).max(64);

/**
 * What a release says about itself: the only thing a device believes. Signed by a key that the server does not hold. Keys that are
 * not said stay unsaid, so that the statement's canonical form does not change when the contract learns new ones; a device that does
 * not know a key refuses the statement, so that no limit is ever overlooked.
 */
export const releaseStatement = z
  .strictObject({
    type: z.literal("tenfold.release.v1"),
    name: shortText,
    version: shortText,
    /** Models that may run it; empty means any. */
    models: z.array(shortText).max(64),
    /** Hardware revisions that may run it, as devices name theirs; left out means any. */
    hardwareRevisions: z.array(shortText).min(1).max(64).optional(),
    /** The oldest version that it may be installed over. */
    minimumVersion: shortText.optional(),
    /** Stepping stones, oldest first: a device that is older than one of these versions installs that one first. */
    mustPassThrough: z.array(shortText).min(1).max(16).optional(),
    artifact: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(1) }),
    /** RFC 3339, when it was signed. */
    signedAt: z.iso.datetime(),
  })
  .superRefine(({ version, minimumVersion, mustPassThrough }, context) => {
    const wrong = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    if (minimumVersion !== undefined && compareVersions(minimumVersion, version) > 0)
      wrong(["minimumVersion"], `${minimumVersion} is newer than the release's own version ${version}`);
    mustPassThrough?.forEach((stone, i, stones) => {
      const before = stones[i - 1];
      if (compareVersions(stone, version) >= 0)
        wrong(["mustPassThrough", i], `${stone} is not older than the release's own version ${version}`);
      if (before !== undefined && compareVersions(before, stone) >= 0)
        wrong(["mustPassThrough", i], `${stone} must be newer than ${before}: stepping stones stand oldest first`);
    });
  });
export type ReleaseStatement = z.infer<typeof releaseStatement>;

export const signedRelease = z.strictObject({ signed: releaseStatement, signatures: z.array(signature).min(1).max(16) });
export type SignedRelease = z.infer<typeof signedRelease>;

/**
 * What a device finds at `deployments/next`: an offer, a cancellation, or nothing to do. Sent again on every connection until
 * the deployment has ended.
 */
export const nextDeployment = z.discriminatedUnion("is", [
  z.strictObject({
    is: z.literal("offer"),
    deployment: z.string(),
    release: signedRelease,
    /** Path on the device HTTPS endpoint: `/v1/artifacts/{sha256}`. */
    artifactPath: z.string(),
    /** Seconds the device has for the step that it is in. */
    deadlineS: z.int().min(1),
    /**
     * Left out: installs as soon as it can. `unavailable`: downloads, verifies, and waits. `available`: installs, if it begins within
     * `windowClosesInS` seconds, and else waits. A device that does not know this key refuses the offer, so that none installs outside its window.
     */
    maintenanceWindow: z.enum(["unavailable", "available"]).optional(),
    windowClosesInS: z.int().min(1).optional(),
    /** True where this brings a device back to its last known good release. */
    rollback: z.boolean(),
  }),
  z.strictObject({ is: z.literal("cancel"), deployment: z.string() }),
  z.strictObject({ is: z.literal("none") }),
]);
export type NextDeployment = z.infer<typeof nextDeployment>;

/** Progress of an update, told by the device (topic `deployments/{deployment}`). Success is never told: it is seen in a heartbeat. */
export const deploymentReport = z.object({
  state: z.enum([
    "downloading",
    "downloaded",
    "verified",
    "installing",
    "rebooting",
    "validating",
    "failed",
    "rolled_back",
    "skipped",
    "cancelled",
  ]),
  reason: deploymentReason.optional(),
  /** 0 to 1, of the current stage. */
  progress: z.number().min(0).max(1).optional(),
  detail: z.string().max(2_000).optional(),
  /** The last log lines, newest last. */
  log: z.array(z.string().max(1_000)).max(50).optional(),
});
export type DeploymentReport = z.infer<typeof deploymentReport>;
