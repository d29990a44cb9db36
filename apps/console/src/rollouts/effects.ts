import type { Rollout } from "@tenfold/contracts";
import { counted } from "../format.ts";
import { updating } from "./ladder.ts";

type Verb = "pause" | "resume" | "cancel" | "rollback";
type Picture = Pick<Rollout, "counts" | "targets">;

/** What a change of a rollout does, to how many devices, and whether it can be taken back: as a person reads it before it is done. */
export function effectOf(verb: Verb, rollout: Picture): string {
  const { waiting, onTheWay, took } = groupsOf(rollout);
  const told = (n: number, what: string) => (n === 0 ? [] : [`${counted(n, "device")} ${what}.`]);
  switch (verb) {
    case "pause":
      return [
        "No new offers until it is resumed.",
        ...told(waiting, "still to be offered it will wait"),
        ...told(onTheWay, "already on the way will go on, and the gates still judge"),
      ].join(" ");
    case "resume":
      return [
        "Offers go out again, from the stage where it paused.",
        ...told(waiting, "still to be offered it, a stage at a time"),
        "Where a stage had proved nothing, this is your word that it may go on.",
      ].join(" ");
    case "cancel":
      return [
        "Ends the rollout for good; this cannot be undone.",
        ...told(waiting, "still to be offered it will not get it"),
        ...told(onTheWay, "on the way will be told to stop"),
        ...told(took, "that took the release will keep it"),
        "To reach the rest later, start it again.",
      ].join(" ");
    case "rollback":
      return [
        "Ends the rollout for good; this cannot be undone.",
        ...told(took, "that took the release will go back to the last known good one at the next contact, and restart for it"),
        ...told(onTheWay, "on the way will be told to stop, and brought back where the release was taken already"),
        ...told(waiting, "still to be offered it will not get it"),
        ...(took + onTheWay === 0 ? ["No device took the release so far: nothing is to be brought back."] : []),
      ].join(" ");
  }
}

function groupsOf({ counts, targets }: Picture): { waiting: number; onTheWay: number; took: number } {
  const known = Object.entries(counts).reduce((sum, [state, n]) => (state === "queued" ? sum : sum + n), 0);
  const onTheWay = updating.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return { waiting: Math.max(0, targets - known), onTheWay, took: counts.succeeded ?? 0 };
}
