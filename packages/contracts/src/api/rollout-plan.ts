import { z } from "zod";
import { isoDuration, share } from "./common.ts";
import { guardPlan } from "./guards.ts";

/** The first stage is the canary. `share` is of all targets, cumulative: 0.05, 0.25, 1. */
export const rolloutStage = z.strictObject({ share });

export const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "Write the time of day as HH:MM.");
const tagPair = z.string().regex(/^[a-z][a-z0-9_.-]{0,39}=.{1,100}$/, "Write a tag as key=value.");

/**
 * When devices may be offered an update (and, where they download ahead, when they may install it), on the clock of a time zone. A window whose end is not after its beginning passes midnight and
 * belongs to the day on which it opens. An hour that the clock skips is not there; one that it repeats is there twice.
 */
export const maintenanceWindow = z.strictObject({
  /** The days on which it opens; every day where left out. */
  days: z.array(z.enum(weekdays)).min(1).max(7).optional(),
  from: timeOfDay,
  to: timeOfDay,
  /** An IANA name (`Europe/Berlin`), or `tag:KEY`: each device's own zone, from its tag. */
  zone: z.string().min(1).max(64),
  /** Only for devices with this tag (`site=berlin`); the others are not bound by it. */
  tag: tagPair.optional(),
});
export type MaintenanceWindow = z.infer<typeof maintenanceWindow>;

/** What a device must have said in its last heartbeat before it is offered an update. */
export const offerConditions = z.strictObject({
  /** Devices on mains pass whatever their battery. */
  batteryAtLeast: share.optional(),
  /** Only while powered from mains. */
  mains: z.literal(true).optional(),
  /** Bearers that are good enough (`ethernet`, `wifi`); any where left out. */
  bearers: z.array(z.string().min(1).max(32)).min(1).max(16).optional(),
  /** Not over a connection that is paid by volume: those that say `metered`, and `cellular` unless it says that it is not. */
  unmetered: z.literal(true).optional(),
  /** What to do with a device that does not say. */
  unknown: z.enum(["wait", "go"]).default("wait"),
});
export type OfferConditions = z.infer<typeof offerConditions>;

export const retryClasses = ["network", "space", "install", "unreached"] as const;
/** Failures that are worth another try, by class. A signature, a boot or a health check that failed is never tried again. */
export const retryRule = z.strictObject({
  /** Tries after the first. */
  most: z.int().min(0).max(10).default(3),
  /** Before the second try; doubled for each further one, a day at most. At least a minute. */
  backoff: isoDuration.default("PT5M"),
  on: z.array(z.enum(retryClasses)).max(4).default(["network"]),
});
export type RetryRule = z.infer<typeof retryRule>;

/**
 * When devices download: inside their window, with the installation; or `ahead`, as soon as their turn comes, to install inside their window only.
 */
export const downloadTimes = ["with_install", "ahead"] as const;

export const updateSteps = ["download", "install", "boot"] as const;
export type UpdateStep = (typeof updateSteps)[number];

/** The longest that each step of an update may take. One that is left out may take as long as the deadline of the whole lets it. */
export const stepTimeouts = z.strictObject({
  /** From the offer until the release lies on the device. */
  download: isoDuration.optional(),
  /** From there until the device says that it reboots. */
  install: isoDuration.optional(),
  /** From there until its verified boot. */
  boot: isoDuration.optional(),
});
export type StepTimeouts = z.infer<typeof stepTimeouts>;

export const prerequisites = z.strictObject({
  /** What must be true of a device, in the filter language: `fw:>=1.4.0 tag:bootloader=2`. */
  device: z.string().max(500).default(""),
  /** Rollouts that must have completed. */
  rollouts: z.array(z.string().min(1).max(64)).max(10).default([]),
});

const terms = {
  /** Who: the filter language; empty means every active device that the release fits. */
  filter: z.string().max(1_000),
  stages: z.array(rolloutStage).min(1).max(20),
  /** A stage in which more than this share failed, fell silent or rolled back halts the rollout. */
  haltAbove: share,
  /** From the offer to the verified boot; silence past it is a failure. */
  deadline: isoDuration,
  /** What each step may take of that. */
  stepTimeouts,
  /** How long a stage must stay healthy after its last verified boot before the next begins. */
  soak: isoDuration,
  /** How many devices update at the same time. */
  atOnce: z.int().min(1).max(100_000),
  /** What happens to devices that already took the release when it halts. */
  onHalt: z.enum(["roll_back", "stop"]),
  /** What makes devices differ: `model`, `tag:region`. Each combination is a stratum, and the canary has devices of each. */
  strata: z.array(z.string().regex(/^(model|tag:[a-z][a-z0-9_.-]{0,39})$/, "Write model or tag:KEY.")).max(3),
  /** How many devices of each stratum are in the canary at least; all of it, where it has fewer. */
  perStratum: z.int().min(1).max(1_000),
  /** Never more offers than this in any 60 seconds. */
  perMinute: z.int().min(1).max(100_000),
  /** Spreads the offers of a stage over this long. */
  jitter: isoDuration,
  windows: z.array(maintenanceWindow).max(20),
  /** Whether devices wait for their window with the download, or only with the installation. */
  download: z.enum(downloadTimes),
  conditions: offerConditions,
  requires: prerequisites,
  /** How many people must approve it, its author not among them. */
  approvals: z.int().min(0).max(5),
  /** Whether devices that come to match the filter later join, or are left to another rollout. */
  lateJoiners: z.enum(["leave", "join"]),
  retries: retryRule,
  /** Where two rollouts want the same device or the fleet's shared places: more weight goes first, and gets more. */
  weight: z.int().min(1).max(1_000),
  /** A device whose turn came and that could not be offered for this long is skipped, so that every stage ends. */
  giveUpAfter: isoDuration,
  /** What must not get worse beside devices that have not been offered the release. */
  guards: guardPlan,
};

/** A plan without its release, to be stored under a name; what it leaves out has the defaults. */
export const planTemplate = z.strictObject(terms).partial();
export type PlanTemplate = z.infer<typeof planTemplate>;

export const rolloutPlan = z.strictObject({
  release: z.string().min(1),
  filter: terms.filter.default(""),
  stages: terms.stages.default([{ share: 0.05 }, { share: 0.25 }, { share: 1 }]),
  haltAbove: terms.haltAbove.default(0.05),
  deadline: terms.deadline.default("PT1H"),
  // Left out where it says nothing: what an earlier version approved must keep its hash.
  stepTimeouts: terms.stepTimeouts.optional(),
  soak: terms.soak.default("PT5M"),
  atOnce: terms.atOnce.default(500),
  onHalt: terms.onHalt.default("roll_back"),
  strata: terms.strata.default([]),
  perStratum: terms.perStratum.default(3),
  perMinute: terms.perMinute.optional(),
  jitter: terms.jitter.default("PT0S"),
  windows: terms.windows.default([]),
  download: terms.download.optional(),
  conditions: terms.conditions.prefault({}),
  requires: terms.requires.prefault({}),
  approvals: terms.approvals.default(0),
  lateJoiners: terms.lateJoiners.default("leave"),
  retries: terms.retries.prefault({}),
  weight: terms.weight.default(100),
  giveUpAfter: terms.giveUpAfter.default("P14D"),
  guards: terms.guards.prefault({}),
});
export type RolloutPlan = z.infer<typeof rolloutPlan>;

export const planName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, "A name is lower-case letters, digits and hyphens.");

/** What a start is asked with: a stored plan by name, what differs from it, and the release. */
export const rolloutRequest = planTemplate.extend({ release: z.string().min(1), plan: planName.optional() });
export type RolloutRequest = z.infer<typeof rolloutRequest>;

/** The plan that a request stands for. What is said in it wins over the stored plan, and that over the defaults. */
export function completePlan({ plan: _name, ...given }: RolloutRequest, template: PlanTemplate = {}): RolloutPlan {
  return rolloutPlan.parse({ ...template, ...given });
}

/** Plans that every installation has; a stored plan of the same name takes its place. */
export const builtInPlans: Readonly<Record<string, { note: string; plan: PlanTemplate }>> = {
  canary: {
    note: "5 % with devices of every model, then 25 %, then all; an hour of soak after the canary's last verified boot.",
    plan: {
      stages: [{ share: 0.05 }, { share: 0.25 }, { share: 1 }],
      strata: ["model"],
      perStratum: 3,
      soak: "PT1H",
      stepTimeouts: { install: "PT30M", boot: "PT30M" },
    },
  },
  careful: {
    note: "1 %, 5 %, 25 %, 50 %, all; a day of soak; two people approve; at night where each device stands (tag tz).",
    plan: {
      stages: [{ share: 0.01 }, { share: 0.05 }, { share: 0.25 }, { share: 0.5 }, { share: 1 }],
      strata: ["model"],
      perStratum: 5,
      soak: "P1D",
      stepTimeouts: { install: "PT30M", boot: "PT30M" },
      haltAbove: 0.02,
      approvals: 2,
      windows: [{ from: "01:00", to: "05:00", zone: "tag:tz" }],
      jitter: "PT30M",
    },
  },
  hotfix: {
    note: "2 %, then all, with little soak; goes before other rollouts on the same devices.",
    plan: { stages: [{ share: 0.02 }, { share: 1 }], strata: ["model"], perStratum: 2, soak: "PT10M", weight: 500 },
  },
};
