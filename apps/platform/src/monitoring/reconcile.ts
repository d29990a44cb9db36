import type { Scope } from "@tenfold/base";
import type { Bus, Database } from "../kernel/index.ts";
import type { Deafness, Registry } from "../registry/index.ts";
import { artifactCondition } from "./damage.ts";
import { rolloutCondition } from "./halt.ts";
import type { Sources } from "./index.ts";
import { judge, type Verdict } from "./judge.ts";
import { type Condition, keyOf, type Rule } from "./rule.ts";
import { deviceConditions, groupCondition, thresholdOf } from "./silence.ts";
import { doubtAlerts, insertAlert, lockJudging, readOpenAlerts, readRules, refreshAlert, resolveAlerts } from "./store.ts";

export type JudgeDeps = { db: Database; registry: Pick<Registry, "silence" | "silentTraits">; sources: Sources; bus: Bus };

// Alerts name devices up to here; beyond it, it is about groups.
const mostNamed = 10_000;

/**
 * Judges a fleet once. Level-triggered: it compares what is wrong now with what is firing, so it may run twice, late, or on two servers.
 */
export async function judgeFleet(
  { db, registry, sources, bus }: JudgeDeps,
  scope: Scope,
  { now, deaf }: { now: number; deaf?: Deafness },
): Promise<void> {
  const rules = (await readRules(db, scope)).filter((rule) => rule.enabled);
  const look: Look = { now, limit: mostNamed, ...(deaf && { deaf }) };
  const conditions = (await Promise.all(rules.map((rule) => conditionsOf({ registry, sources }, scope, { rule, look })))).flat();
  const changed = await db.transaction().execute(async (tx) => {
    await lockJudging(tx, scope);
    const verdicts = judge({ conditions, open: await readOpenAlerts(tx, scope), now });
    const fired = new Map<string, string>();
    const quietly = (verdict: Verdict["do"]) => verdicts.filter((each) => each.do === verdict);
    for (const verdict of verdicts) {
      if (verdict.do === "fire")
        fired.set(
          keyOf({ rule: verdict.condition.rule.id, subject: verdict.condition.subject }),
          await insertAlert(tx, scope, { condition: verdict.condition, now }),
        );
      if (verdict.do === "refresh") await refreshAlert(tx, verdict.alert.id, verdict.condition);
    }
    await doubtAlerts(tx, { ids: idsOf(quietly("doubt")), now });
    await resolveAlerts(tx, { ids: idsOf(quietly("resolve")), now });
    const open = new Map((await readOpenAlerts(tx, scope)).map((alert) => [keyOf(alert), alert.id]));
    for (const [into, absorbed] of Map.groupBy(
      verdicts.filter((each) => each.do === "absorb"),
      (each) => each.into,
    )) {
      const group = open.get(into);
      if (group !== undefined) await resolveAlerts(tx, { ids: idsOf(absorbed), now, absorbedBy: group });
    }
    return [...fired.values(), ...idsOf(verdicts.filter((each) => each.do !== "doubt"))];
  });
  // Only now does the world hear of it.
  for (const id of changed) bus.publish({ type: "alert.changed", subject: id, data: {} });
}

const idsOf = (verdicts: readonly Verdict[]): string[] =>
  verdicts.flatMap((verdict) => ("alert" in verdict ? [verdict.alert.id] : []));

type Look = { now: number; limit: number; deaf?: Deafness };

async function conditionsOf(
  { registry, sources }: Pick<JudgeDeps, "registry" | "sources">,
  scope: Scope,
  { rule, look }: { rule: Rule; look: Look },
): Promise<Condition[]> {
  if (rule.kind === "rollout_halted") return (await sources.rollouts(scope)).map((condition) => rolloutCondition(rule, condition));
  if (rule.kind === "artifact_damaged")
    return (await sources.artifacts(scope)).map((condition) => artifactCondition(rule, condition));
  const question = { ...look, filter: rule.filter ?? "" };
  const silence = await registry.silence(scope, question);
  if (rule.kind === "device_silent") return deviceConditions(rule, silence);
  if (silence.silent < thresholdOf(rule, silence)) return [];
  const condition = groupCondition(rule, silence, await registry.silentTraits(scope, question));
  return condition === undefined ? [] : [condition];
}
