import { fuzz } from "./fuzz.ts";
import { ddiWorld } from "./world.ts";

/**
 * Sends mutated DDI requests to a whole platform: 20,000, or as many as `TENFOLD_TEST_DDI_REQUESTS` says; `TENFOLD_TEST_SEED` chooses others. The rules
 * themselves are in ddi.test.ts.
 */
export async function run(): Promise<{ requests: number; broken: number; installed: number; statuses: Record<string, number> }> {
  const requests = Number(process.env.TENFOLD_TEST_DDI_REQUESTS ?? 20_000);
  const seed = process.env.TENFOLD_TEST_SEED ?? "ddi";
  await using ddi = await ddiWorld();
  await ddi.release("3.0.0");
  const device = await ddi.device("fuzzed");
  const rollout = await ddi.offer("3.0.0", device.id);
  const href: string = (await device.poll()).json._links.deploymentBase.href;
  const { json } = await device.askUrl(href);
  const [{ filename }] = json.deployment.chunks[0].artifacts;
  const { statuses, broken } = await fuzz(device, { action: json.id, filename, requests, seed });
  for (const line of broken) console.log(line);
  const installed = (await ddi.deployment(device.id, rollout)).state === "succeeded" ? 1 : 0;
  return { requests, broken: broken.length, installed, statuses };
}
