import { z } from "zod";
import { deploymentState } from "../device/deployment.ts";
import { timestamp } from "./common.ts";
import { crashSignature } from "./crashes.ts";

/** What a halt has to say for itself: written from what is stored, the same for everybody who asks. */
export const haltReport = z.object({
  rollout: z.string(),
  release: z.object({ id: z.string(), name: z.string(), version: z.string() }),
  phase: z.string(),
  /** Who started it and who approved it. */
  startedBy: z.string(),
  startedAt: timestamp,
  haltedAt: timestamp,
  /** The gate's sentence, or the person's. */
  because: z.string(),
  decidedBy: z.enum(["gate", "person"]),
  stage: z.int(),
  /** The first device that the release harmed. */
  firstFailure: z
    .object({
      device: z.string(),
      at: timestamp,
      state: deploymentState,
      reason: z.string().optional(),
      detail: z.string().optional(),
      log: z.array(z.string()),
    })
    .optional(),
  signatures: z.array(crashSignature),
  blast: z.object({
    targets: z.int(),
    /** Took the offer or may have taken it. */
    exposed: z.int(),
    harmed: z.int(),
    /** Of the harmed, heard again after all. */
    returned: z.int(),
    restored: z.int(),
    notRestored: z.int(),
    /** Never offered the release, because the halt came first. */
    heldBack: z.int(),
  }),
  /** What the gates went by, with their numbers. */
  evidence: z.record(z.string(), z.json()),
  reasons: z.array(z.object({ reason: z.string(), devices: z.int() })),
  timeline: z.array(z.object({ at: timestamp, what: z.string(), because: z.string() })),
  nextSteps: z.array(z.string()),
});
export type HaltReport = z.infer<typeof haltReport>;
