import type { RolloutDecision } from "@tenfold/contracts";
import { count, counted, percent } from "../format.ts";
import { evidenceGate, type Gate } from "./ladder.ts";

type Evidence = NonNullable<RolloutDecision["evidence"]>;

/** The gates that a decision went by, each as its value against the mark at which it halts. Empty where none was asked. */
export function gatesOf(evidence: Evidence): Gate[] {
  const [share, sequential] = [shareOf(evidence), evidenceGate(evidence)];
  return [...(share ? [share] : []), ...(sequential ? [sequential] : []), ...guardsOf(evidence)];
}

function shareOf({ stageHarmed, stageDevices, stageShare, haltAbove }: Evidence): Gate | undefined {
  if (![stageHarmed, stageDevices, stageShare, haltAbove].every((value) => typeof value === "number")) return undefined;
  const [harmed, devices, value, mark] = [Number(stageHarmed), Number(stageDevices), Number(stageShare), Number(haltAbove)];
  return {
    ...{ name: "Harmed share", value, mark, closed: value > mark },
    words: `${count(harmed)} of ${count(devices)} harmed (${percent(value, 1)}), halts above ${percent(mark, 1)}`,
  };
}

/** Guards that compared somebody. */
function guardsOf({ guards }: Evidence): Gate[] {
  if (!Array.isArray(guards)) return [];
  return guards.flatMap((guard) => {
    if (typeof guard !== "object" || guard === null || Array.isArray(guard)) return [];
    const { compared, logE, haltAtLogE, guard: name } = guard;
    if (typeof name !== "string" || typeof compared !== "number" || compared === 0) return [];
    const gate = evidenceGate({ logE: logE ?? null, haltAtLogE: haltAtLogE ?? null });
    return gate ? [{ ...gate, name: `Guard: ${name}`, words: `${counted(compared, "device")} compared; ${gate.words}` }] : [];
  });
}

/** Facts of a decision that are no gate's: numbers and short texts, in the order in which they were written down. */
export function otherFacts(evidence: Evidence): [name: string, value: string][] {
  const gates = ["stageHarmed", "stageDevices", "stageShare", "haltAbove", "logE", "haltAtLogE", "guards"];
  return Object.entries(evidence).flatMap(([name, value]): [string, string][] => {
    if (gates.includes(name)) return [];
    if (typeof value === "number") return [[spaced(name), count(value)]];
    if (typeof value === "string") return [[spaced(name), value]];
    return Array.isArray(value) && value.every((each) => typeof each !== "object" || each === null)
      ? [[spaced(name), value.slice(0, 12).join(", ") + (value.length > 12 ? ` and ${value.length - 12} more` : "")]]
      : [];
  });
}

const spaced = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
