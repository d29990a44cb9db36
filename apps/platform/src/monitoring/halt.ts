import type { RolloutCondition } from "./index.ts";
import type { Condition, Rule } from "./rule.ts";

/** The condition that a rollout was halted, in sentences. */
export function rolloutCondition(
  rule: Rule,
  { rollout, release, phase, since, because, harmedDevices }: RolloutCondition,
): Condition {
  const harmed = harmedDevices.length;
  const state = phase === "rolling_back" ? " and is being rolled back" : phase === "rolled_back" ? " and was rolled back" : "";
  return {
    rule,
    subject: { kind: "rollout", id: rollout },
    since,
    title: `The rollout of ${release.name} ${release.version} was halted${state}`,
    why: because,
    comparedWith:
      harmed === 0
        ? "No device was harmed."
        : `${harmed} ${harmed === 1 ? "device was" : "devices were"} harmed; the other devices of the fleet were not offered it any more.`,
    next: `Read the logs of the harmed devices before anything else: tenfold rollout report ${rollout}. Devices that stay silent need hands; the release must not be offered again.`,
    devices: [...harmedDevices],
  };
}
