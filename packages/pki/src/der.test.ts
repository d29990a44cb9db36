import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import fc from "fast-check";
import { readCertificate } from "./certificate.ts";
import { readCrl } from "./crl.ts";
import { createCsr, readCsr } from "./csr.ts";
import { readDer, readInteger, readOid, readTime } from "./der-read.ts";
import { integer, octetString, oid, sequence, time } from "./der-write.ts";
import { newDeviceKey } from "./idevid.ts";
import { oids } from "./oids.ts";
import { readCertsOnly } from "./pkcs7.ts";
import { authorityForTest, certificateBelow } from "./testing.ts";

const refused = (hex: string) => assert.throws(() => readDer(Buffer.from(hex, "hex")), { code: "der_malformed" }, hex);

test("what is not strict DER is refused", () => {
  refused(""); // nothing
  refused("30"); // no length
  refused("30800000"); // indefinite length
  refused("308103020101"); // length not minimal
  refused("3082000302010100"); // the same in two octets
  refused("3003020101ff"); // bytes after the end
  refused("3004020101"); // overrun
  refused("1f810100"); // a tag of several octets
  refused("30850000000001"); // a length of five octets
  refused("300302020101"); // a child longer than its parent
});

test("documents that are too deep, too long or too many are refused", () => {
  let deep: Buffer = octetString(Buffer.alloc(0));
  for (let i = 0; i < 30; i++) deep = sequence(deep);
  refused(deep.toString("hex"));
  refused(octetString(Buffer.alloc(70_000)).toString("hex"));
  refused(sequence(...Array.from({ length: 5_000 }, () => integer(1))).toString("hex"));
});

test("integers, identifiers and times survive a round trip, and have one spelling", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      const value = readInteger(readDer(integer(bytes)), "x");
      assert.equal(BigInt(`0x${value.toString("hex")}`), BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
    }),
  );
  for (const id of Object.values(oids)) assert.equal(readOid(readDer(oid(id)), "x"), id);
  for (const at of [
    0,
    Date.UTC(1999, 11, 31, 23, 59, 59),
    Date.UTC(2049, 11, 31),
    Date.UTC(2050, 0, 1),
    Date.UTC(9999, 11, 31, 23, 59, 59),
  ])
    assert.equal(readTime(readDer(time(at)), "x"), at);
  for (const bad of ["02020001", "0202ff80", "0200"])
    assert.throws(() => readInteger(readDer(Buffer.from(bad, "hex")), "x"), { code: "der_malformed" });
  for (const bad of ["991301000000Z", "990230000000Z", "9902280000Z", "990228000000+0100", "99022800000Z "]) {
    assert.throws(
      () => readTime(readDer(Buffer.concat([Buffer.from([0x17, bad.length]), Buffer.from(bad)])), "x"),
      { code: "der_malformed" },
      bad,
    );
  }
});

test("no bytes make a reader throw anything but a Problem", async () => {
  const { issuing } = await authorityForTest();
  const csr = await createCsr({
    key: newDeviceKey(),
    subject: [{ type: oids.commonName, value: "pump-1" }],
    alternativeNames: [{ kind: "dns", value: "x" }],
    challengePassword: "y",
  });
  const seeds = [
    csr,
    (await certificateBelow(issuing, "pump-1", { crlUri: "https://x/y.crl", alternativeNames: [{ kind: "ip", value: "::1" }] }))
      .der,
    issuing.certificate.der,
  ];
  const readers = [readCsr, readCertificate, readCertsOnly, readCrl];
  const change = fc.record({
    at: fc.nat(2_000),
    kind: fc.constantFrom("set", "flip", "cut", "insert", "repeat"),
    byte: fc.nat(255),
  });
  const property = fc.property(
    fc.constantFrom(...seeds),
    fc.array(change, { minLength: 1, maxLength: 6 }),
    fc.constantFrom(...readers),
    (seed, changes, read) => {
      const bytes = changes.reduce<Buffer>(mutate, Buffer.from(seed));
      try {
        read(bytes);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
      }
    },
  );
  fc.assert(property, { numRuns: 5_000, seed: 7 });
});

function mutate(bytes: Buffer, { at: where, kind, byte }: { at: number; kind: string; byte: number }): Buffer {
  if (bytes.length === 0) return Buffer.from([byte]);
  const at = where % bytes.length;
  const out = Buffer.from(bytes);
  if (kind === "set") out[at] = byte;
  if (kind === "flip") out[at] = (out[at] ?? 0) ^ (1 << (byte & 7));
  if (kind === "cut") return out.subarray(0, at);
  if (kind === "insert") return Buffer.concat([out.subarray(0, at), Buffer.from([byte]), out.subarray(at)]);
  if (kind === "repeat") return Buffer.concat([out.subarray(0, at), out.subarray(at >> 1)]);
  return out;
}
