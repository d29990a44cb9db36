import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deploymentReason } from "@tenfold/contracts";
import fc from "fast-check";
import { type DdiWorld, ddiWorld, feedback, type Hardware } from "./world.ts";

const image = Buffer.from("070701 firmware of many bytes ".repeat(100));
const sha256 = createHash("sha256").update(image).digest("hex");
const size = image.length;

type Document = { size: number; hashes: Record<string, string>; _links: { download: { href: string } } };

/** What SWUpdate and rauc-hawkbit-updater do with what they fetched: hold length and hash against the document. */
function faultOf(bytes: Buffer, { size, hashes }: Document): string | undefined {
  if (bytes.length !== size) return `ERROR : ${bytes.length} bytes, ${size} expected`;
  const found = createHash("sha256").update(bytes).digest("hex");
  return found === hashes.sha256 ? undefined : `ERROR : HASH mismatch : ${hashes.sha256} <--> ${found}`;
}

const places = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 64, max: size - 2 }), fc.constant(size - 1));
const flipped = fc.tuple(places, fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
  const changed = Buffer.from(image);
  changed[at] = (changed[at] ?? 0) ^ bits;
  return changed;
});
const resized = fc.oneof(
  fc.integer({ min: 0, max: size - 1 }).map((length) => image.subarray(0, length)),
  fc.integer({ min: 1, max: 300 }).map((more) => Buffer.concat([image, image.subarray(0, more)])),
);

/** Bytes that lie changed on the platform's own disk: the worst that a device behind DDI can be sent. */
describe("artifacts changed, over hawkBit DDI", () => {
  let ddi: DdiWorld;
  let device: Hardware;
  let file = "";
  before(async () => {
    ddi = await ddiWorld();
    await ddi.release("2.0.0", image);
    device = await ddi.device("tampered");
    file = join(ddi.world.dataDir, "blobs", sha256.slice(0, 2), sha256);
  });
  after(() => ddi?.[Symbol.asyncDispose]());

  /** One update as a client makes it, whole or in two parts: the statuses of its fetches, and how the deployment ended. */
  async function update(inParts: number | undefined, said: "proceeding" | "downloaded") {
    const rollout = await ddi.offer("2.0.0", device.id);
    const href: string = (await device.poll()).json._links.deploymentBase.href;
    const { json } = await device.askUrl(href);
    const artifact: Document = json.deployment.chunks[0].artifacts[0];
    const ranges = inParts === undefined ? [undefined] : [`bytes=0-${inParts - 1}`, `bytes=${inParts}-`];
    const fetched = [];
    for (const range of ranges)
      fetched.push(await device.askUrl(artifact._links.download.href, range === undefined ? {} : { headers: { Range: range } }));
    const statuses = fetched.map(({ status }) => status);
    const bytes = Buffer.concat(fetched.filter(({ status }) => status < 300).map(({ bytes }) => bytes));
    const fault = faultOf(bytes, artifact);
    const path = `/deploymentBase/${json.id}/feedback`;
    await device.ask(path, feedback(said, "none", ["fetched"]));
    if (fault !== undefined) await device.ask(path, feedback("closed", "failure", [fault]));
    return { statuses, fault, ended: await ddi.deployment(device.id, rollout), path };
  }

  for (const [what, damage, said, reason] of [
    ["flipped bits", flipped, "proceeding", "download_other"],
    ["flipped bits that are found after the download", flipped, "downloaded", "verify_other"],
    ["lost or added bytes", resized, "proceeding", "download_other"],
  ] as const)
    test(`${what}, anywhere: no 5xx, the client fails with what it said, for the reason ${reason}`, async () => {
      await fc.assert(
        fc.asyncProperty(damage, fc.option(fc.integer({ min: 1, max: size - 1 }), { nil: undefined }), async (bytes, inParts) => {
          await writeFile(file, bytes);
          const { statuses, fault, ended } = await update(inParts, said);
          // What the platform can see it does not send; what only the hash can tell, the client finds.
          const wanted = bytes.length === size ? [200, 206] : [404];
          for (const status of statuses) assert.ok(wanted.includes(status), `${status}`);
          assert.ok(fault !== undefined);
          assert.deepEqual([ended.state, ended.reason, ended.log], ["failed", reason, [fault]]);
          assert.ok(deploymentReason.safeParse(ended.reason).success);
        }),
        { numRuns: 6 },
      );
    });

  test("the honest bytes, put back, are installed as ever", async () => {
    await writeFile(file, image);
    const { fault, ended, path } = await update(1_000, "proceeding");
    assert.deepEqual([fault, ended.state], [undefined, "downloading"]);
    await device.ask(path, feedback("closed", "success"));
    await device.tell({ firmware_version: "2.0.0", boot_id: "another" });
    assert.equal((await ddi.deployment(device.id, ended.rollout)).state, "succeeded");
  });
});
