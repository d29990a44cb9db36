import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deviceProblems } from "./index.ts";
import { calm, newImage, pretendWorld, type Tampering, type Weather } from "./testing.ts";

/*
 * An artifact that is not the one that was signed, wherever it was changed: on the way, on the disk, or in who is believed. Every place of it, every
 * length; over a link that breaks as well. Each ends with a closed reason, and on the old firmware.
 */

const size = newImage.length;
const places = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 64, max: size - 2 }), fc.constant(size - 1));

/** One change of bytes: bits at the head, in the middle, in the last byte; cut short, made longer, bytes moved; nothing at all. */
const changed: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.tuple(places, fc.integer({ min: 1, max: 255 })).map(([at, bits]) => flipped(newImage, at, bits)),
    fc.integer({ min: 0, max: size - 1 }).map((length) => newImage.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 80 }).map((more) => Buffer.concat([newImage, more])),
    fc.integer({ min: 1, max: size - 1 }).map((at) => Buffer.concat([newImage.subarray(at), newImage.subarray(0, at)])),
    fc.constantFrom(Buffer.alloc(0), Buffer.alloc(size), Buffer.concat([newImage, newImage])),
  )
  .filter((bytes) => !bytes.equals(newImage));

function flipped(bytes: Buffer, at: number, bits: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ bits;
  return changed;
}

async function endOf(tampering: Tampering, weather: Weather = calm): Promise<string | undefined> {
  const world = pretendWorld("good", weather, tampering);
  await world.run();
  assert.deepEqual([world.disk.boot.good, world.disk.boot.trial], ["a", undefined]);
  assert.ok(!world.seen.starts.includes("b") && !world.startable("b"));
  return world.seen.reports.at(-1);
}

/** Of a download that ends early a device asks for the rest, until the offer's own deadline. */
const reasonFor = (sent: Buffer): string =>
  `failed:${sent.length < size ? "download_network" : sent.length > size ? "download_size_mismatch" : "download_hash_mismatch"}`;

test("an artifact changed on the way, at any place and to any length, ends with the reason for it and is never started", async () => {
  await fc.assert(
    fc.asyncProperty(changed, fc.constantFrom(0, 0.1), fc.nat(), async (sent, dropsLink, seed) => {
      const told = await endOf({ sent }, { cuts: [], dropsLink, seed });
      assert.equal(told, reasonFor(sent));
    }),
    { numRuns: 100 },
  );
});

test("each single byte that is another one is a hash mismatch", async () => {
  for (let at = 0; at < size; at++)
    assert.equal(await endOf({ sent: flipped(newImage, at, 1) }), "failed:download_hash_mismatch", `${at}`);
});

test("each single byte that is missing at the end, and one too many, are seen", async () => {
  for (const length of [0, 1, 63, 64, size - 1])
    assert.equal(await endOf({ sent: newImage.subarray(0, length) }), "failed:download_network");
  assert.equal(await endOf({ sent: Buffer.concat([newImage, Buffer.of(0)]) }), "failed:download_size_mismatch");
});

test("bits that rot between the disk and its reading back, and bytes that the disk lost, are found before the slot can be started", async () => {
  for (const at of [0, size >> 1, size - 1])
    assert.equal(await endOf({ rots: (written) => flipped(written, at, 0x80) }), "failed:download_hash_mismatch");
  assert.equal(await endOf({ rots: (written) => written.subarray(0, -1) }), "failed:download_size_mismatch");
});

test("whatever is changed, with the power cut at any moment: nothing but the old firmware is ever started", async () => {
  await fc.assert(
    fc.asyncProperty(changed, fc.array(fc.integer({ min: 2, max: 80 }), { maxLength: 4 }), async (sent, cuts) => {
      assert.equal(await endOf({ sent }, { ...calm, cuts }), reasonFor(sent));
    }),
    { numRuns: 60 },
  );
});

test("a key that was taken away while its release was being fetched no longer vouches for it when it is verified", async () => {
  // The power fails between two pieces of the download; the start after it has learned that the key is no longer trusted.
  const told = await endOf({ trustedKeys: (start) => (start === 0 ? undefined : []) }, { ...calm, cuts: [30] });
  assert.equal(told, "failed:verify_signature_invalid");
});

const noSpace = () => Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" });
for (const [what, error, told] of [
  ["its own signature is refused", deviceProblems.install_untrusted("self-signed certificate"), "failed:verify_signature_invalid"],
  ["it was made for another board", deviceProblems.install_incompatible("gate-b is not gate-a"), "failed:install_incompatible"],
  ["the installer gives up", deviceProblems.install_failed("slot is mounted"), "failed:install_other"],
  ["no space is left for it", noSpace(), "failed:install_no_space"],
  ["the flash cannot be written", new Error("write EIO"), "failed:install_write_failed"],
] as const) {
  test(`an image that the machine's own installer refuses because ${what} is no update, and the platform is told ${told}`, async () => {
    assert.equal(await endOf({ installer: () => Promise.reject(error) }), told);
  });
}

test("a disk that is full while the artifact comes ends the update, and is no reason to try again", async () => {
  const disk = () => {
    throw noSpace();
  };
  assert.equal(await endOf({ disk }), "failed:download_no_space");
});
