import type { DeploymentReason } from "@tenfold/contracts";

/** Why metadata is not believed. Closed; each is also a reason with which a device ends a deployment (docs/protocol/updates.md). */
export type RefusedMetadata = Exclude<Extract<DeploymentReason, `metadata_${string}`>, "metadata_unreachable">;

export type MetadataRefusal = { is: "refuse"; because: RefusedMetadata; detail: string };

/** Carries a refusal out of nested readers. Never leaves this folder: `attempt` turns it into a verdict at each door. */
class Refusal extends Error {
  readonly because: RefusedMetadata;
  constructor(because: RefusedMetadata, detail: string) {
    super(detail);
    this.because = because;
  }
}

export function refuse(because: RefusedMetadata, detail: string): never {
  throw new Refusal(because, detail.slice(0, 500));
}

/** What `work` returns, or the refusal that it came to. Other errors are faults of ours and stay errors. */
export function attempt<T extends { is: string }>(work: () => T): T | MetadataRefusal {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return { is: "refuse", because: error.because, detail: error.message };
    throw error;
  }
}
