import type { ArtifactCondition } from "./index.ts";
import type { Condition, Rule } from "./rule.ts";

/** The condition that an artifact's bytes are not its own any more, in sentences. */
export function artifactCondition(rule: Rule, { sha256, since, damage, releases }: ArtifactCondition): Condition {
  const [newest] = releases;
  const others = releases.length > 1 ? ` and ${releases.length - 1} more` : "";
  return {
    rule,
    subject: { kind: "artifact", id: sha256 },
    since,
    title: `The artifact of ${newest === undefined ? "no release" : `${newest}${others}`} is damaged on the platform's disk`,
    why: `The stored bytes of ${sha256} are not the ones that were uploaded: ${damage}. They are sent to no device, and rollouts of them wait.`,
    comparedWith: "Its name, which is the SHA-256 of what was uploaded.",
    next: "Upload the same file again: tenfold artifact push FILE. Then look at the disk of the data folder (smartctl, the kernel's log): one damaged file is seldom alone.",
    devices: [],
  };
}
