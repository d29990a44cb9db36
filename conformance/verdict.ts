/** What each suite counts as played, and what as a fault. */
const rules = {
  mqtt: { played: ["total"], faults: ["accepted_bad", "rejected_good", "wrong_answer", "death"] },
  ddi: { played: ["requests"], faults: ["broken", "installed", "deaths"] },
  tuf: { played: ["passed", "failed"], faults: ["failed"] },
  uptane: { played: ["passed", "failed", "excluded"], faults: ["failed"] },
} as const satisfies Record<string, { played: readonly string[]; faults: readonly string[] }>;

export type SuiteName = keyof typeof rules;

/** A suite passes when it has played something and found no fault: one that looked at nothing has shown nothing. */
export function verdictOf(
  suite: SuiteName,
  counts: Readonly<Record<string, unknown>>,
): { is: "passed" } | { is: "failed"; because: string } {
  const { played, faults } = rules[suite];
  const of = (name: string) => Number(counts[name] ?? Number.NaN);
  if (!(played.map(of).reduce((sum, one) => sum + one, 0) > 0)) return { is: "failed", because: "nothing was played" };
  // What is not counted is not known to be none.
  const found = faults.filter((name) => of(name) !== 0);
  return found.length === 0 ? { is: "passed" } : { is: "failed", because: found.map((name) => `${name} ${of(name)}`).join(", ") };
}
