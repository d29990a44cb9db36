import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Problem } from "@tenfold/base";
import { api, deploymentReason } from "@tenfold/contracts";
import fc from "fast-check";
import { type DdiWorld, ddiWorld, feedback, type Hardware, until } from "./world.ts";

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
    // The older hashes are worked out when the first device asks, and never from damaged bytes.
    const first = await ddi.device("untampered");
    await ddi.offer("2.0.0", first.id);
    await first.poll();
  });
  after(() => ddi?.[Symbol.asyncDispose]());

  /** Sends the honest bytes again and reads them once: from here on the platform goes by their length until they are checked again. */
  async function mend(): Promise<void> {
    const { client } = ddi.world;
    const headers = { "content-type": "application/octet-stream" };
    await client.raw("PUT", `/api/v1/artifacts/${sha256}`, { body: new Uint8Array(image), headers });
    await (await client.raw("GET", `/api/v1/artifacts/${sha256}`)).arrayBuffer();
  }

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
          await mend();
          await writeFile(file, bytes);
          const { statuses, fault, ended } = await update(inParts, said);
          // What the platform sees by the length it does not send; what rots after it was read, the client finds.
          const wanted = bytes.length === size ? [200, 206] : [404];
          for (const status of statuses) assert.ok(wanted.includes(status), `${status}`);
          assert.ok(fault !== undefined);
          assert.deepEqual([ended.state, ended.reason, ended.log], ["failed", reason, [fault]]);
          assert.ok(deploymentReason.safeParse(ended.reason).success);
        }),
        { numRuns: 6, endOnFailure: true },
      );
    });

  test("bits that flipped before anybody read them are not sent: no rollout hands them out, an alert names the fix, and the same bytes sent again mend them", async () => {
    const bytes = Buffer.from("070701 firmware that rots");
    const hash = createHash("sha256").update(bytes).digest("hex");
    await ddi.release("4.0.0", bytes);
    const rotten = Buffer.from(bytes);
    rotten[11] = (rotten[11] ?? 0) ^ 4;
    await writeFile(join(ddi.world.dataDir, "blobs", hash.slice(0, 2), hash), rotten);
    const { client } = ddi.world;
    const refused = await client.raw("GET", `/api/v1/artifacts/${hash}`).catch((error: unknown) => error);
    assert.ok(refused instanceof Problem && refused.code === "artifact_damaged");
    await assert.rejects(ddi.start("4.0.0", device.id), { code: "rollout_release_unusable", message: /tenfold artifact push/ });
    await until(async () => {
      const { items } = await client.call(api.listAlerts, { query: { state: "firing" } });
      const alert = items.find(({ kind, subject }) => kind === "artifact_damaged" && subject.id === hash);
      assert.match(alert?.title ?? "", /gate 4\.0\.0/);
    });
    const headers = { "content-type": "application/octet-stream" };
    await client.raw("PUT", `/api/v1/artifacts/${hash}`, { body: new Uint8Array(bytes), headers });
    const waiter = await ddi.device("tampered-later");
    await ddi.offer("4.0.0", waiter.id);
    const href: string = (await waiter.poll()).json._links.deploymentBase.href;
    const { json } = await waiter.askUrl(href);
    const [artifact] = json.deployment.chunks[0].artifacts;
    assert.equal(faultOf((await waiter.askUrl(artifact._links.download.href)).bytes, artifact), undefined);
  });

  test("the honest bytes, put back, are installed as ever", async () => {
    await mend();
    const { fault, ended, path } = await update(1_000, "proceeding");
    assert.deepEqual([fault, ended.state], [undefined, "downloading"]);
    await device.ask(path, feedback("closed", "success"));
    await device.tell({ firmware_version: "2.0.0", boot_id: "another" });
    assert.equal((await ddi.deployment(device.id, ended.rollout)).state, "succeeded");
  });
});
