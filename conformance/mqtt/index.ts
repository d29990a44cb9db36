import { createBus, createMetrics, silentLog, systemClock } from "../../apps/platform/src/kernel/index.ts";
import { createLinks, type Links, type TopicRule } from "../../apps/platform/src/links/index.ts";
import { type Grade, grade } from "./grade.ts";
import { type Played, play } from "./play.ts";
import { findSequences, readSequences, type Sequence } from "./sequences.ts";

export type Counts = Record<Grade, number> & { total: number; skipped?: string };

const faults: ReadonlySet<Grade> = new Set(["accepted_bad", "rejected_good", "wrong_answer", "death"]);

/** Plays the 1,826 recorded packet sequences against our MQTT endpoint; prints the faults, and what is not offered and why. */
export async function run(): Promise<Counts> {
  const counts: Counts = {
    total: 0,
    exact: 0,
    lenient: 0,
    not_offered: 0,
    accepted_bad: 0,
    rejected_good: 0,
    wrong_answer: 0,
    death: 0,
  };
  const folder = findSequences();
  if (folder === undefined)
    return { ...counts, skipped: "The packet sequences are not on this machine; TENFOLD_TEST_SHARED names their place." };
  const links = generalEndpoint();
  const left = new Map<string, number>();
  for (const sequence of readSequences(folder)) {
    const graded = await playOne(links, sequence);
    counts.total += 1;
    counts[graded.grade] += 1;
    if (graded.grade === "not_offered") left.set(graded.why, (left.get(graded.why) ?? 0) + 1);
    if (faults.has(graded.grade)) console.log(`${graded.grade}: ${sequence.name}: ${graded.why}`);
  }
  await links.close({ drainMs: 1_000 });
  for (const [clause, count] of left) console.log(`not offered: ${count} x ${clause}`);
  console.log(
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(" · "),
  );
  return counts;
}

async function playOne(links: Links, sequence: Sequence): Promise<{ grade: Grade; why: string }> {
  try {
    const played: Played = await play(links, sequence);
    return grade(sequence, played);
  } catch (error) {
    return { grade: "death", why: String(error) };
  }
}

/** The sequences were recorded for a general broker: here every topic but `$…` is the device's own. The rest is the product's endpoint. */
const anyTopic: TopicRule = {
  up: (_device, topic) => (topic.startsWith("$") ? { is: "foreign" } : { is: "own", channel: "telemetry" }),
  down: () => true,
  address: (_device, rest) => rest,
};

function generalEndpoint(): Links {
  return createLinks({
    admit: async () => ({ is: "refuse", because: "certificate_missing", detail: "The runner shows none." }),
    receive: async () => ({ is: "stored" }),
    downlink: async () => new Map(),
    bus: createBus(systemClock),
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics({ processMetrics: "omit" }),
    topics: anyTopic,
    // Each sequence is a connection of the same device.
    limits: { connectBurst: Number.POSITIVE_INFINITY },
  });
}
