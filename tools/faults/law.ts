import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, api } from "@tenfold/contracts";
import type { Load } from "./load.ts";

export type Verdict = { acknowledged: number; lost: string[]; doubled: string[]; unacknowledgedButStored: number };

const mostPoints = 100_000;

/**
 * The law: whatever was acknowledged is stored, and nothing is stored twice. Waits until everything acknowledged can be queried, at most
 * `withinMs`, and then a little longer, because a replay that doubles would come late.
 */
export async function judge(client: ApiClient, load: Load, withinMs = 30_000): Promise<Verdict> {
  let verdict = await look(client, load);
  for (const deadline = Date.now() + withinMs; verdict.lost.length > 0 && Date.now() < deadline; ) {
    await wait(250);
    verdict = await look(client, load);
  }
  await wait(600);
  return look(client, load);
}

async function look(client: ApiClient, { acknowledged, metric }: Load): Promise<Verdict> {
  const verdict: Verdict = { acknowledged: 0, lost: [], doubled: [], unacknowledgedButStored: 0 };
  for (const [device, seqs] of acknowledged) {
    const stored = await storedOf(client, { device, metric });
    const once = new Set(stored);
    verdict.acknowledged += seqs.size;
    verdict.lost.push(...[...seqs].filter((seq) => !once.has(seq)).map((seq) => `${device}/${seq}`));
    verdict.unacknowledgedButStored += [...once].filter((seq) => !seqs.has(seq)).length;
    if (stored.length !== once.size) verdict.doubled.push(...twice(stored).map((seq) => `${device}/${seq}`));
  }
  return verdict;
}

async function storedOf(client: ApiClient, { device, metric }: { device: string; metric: string }): Promise<number[]> {
  const query = { metric, points: mostPoints };
  for (const deadline = Date.now() + 20_000; ; await wait(300)) {
    try {
      const { points } = await client.call(api.getDeviceTelemetry, { params: { id: device }, query });
      return points.map(({ v }) => Number(v));
    } catch (error) {
      // Right after a fault a query may be refused; the law is about what is stored, not about when it can be asked for.
      if (Date.now() > deadline) throw error;
    }
  }
}

const twice = (stored: readonly number[]): number[] => {
  const seen = new Set<number>();
  return stored.filter((seq) => seen.size === seen.add(seq).size);
};
