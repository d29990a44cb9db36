/** The drill: a root rotated under 1,000 connected devices, some asleep, some with a wrong clock, with an abort and a hold. */
import { atLeast, atMost, type BenchResult } from "./result.ts";
import { drill } from "./rotation-drill.ts";

export async function run(): Promise<BenchResult> {
  const figures = await drill(
    { devices: 1_000, asleep: 0.1, wrongClocks: 0.01, sleepMs: 90_000, withinS: 60, patienceMs: 900_000 },
    (line) => console.log(`  ${line}`),
  );
  return {
    bench: "rotation",
    figures,
    aims: {
      sessionsDropped: atMost(figures.sessionsDropped, 0),
      stranded: atMost(figures.stranded, 0),
      backUnderNewRoot: atLeast(figures.backUnderNewRoot, figures.devices),
    },
  };
}
