import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { createCsr, readCsr } from "./csr.ts";
import { readDer } from "./der-read.ts";
import { bitString, sequence } from "./der-write.ts";
import { formatName, makeName, readName, sameName } from "./name.ts";
import { oids } from "./oids.ts";
import { fromBase64, fromPem, toPem } from "./pem.ts";

const subject = [{ type: oids.commonName, value: "pump-1" }];
const csrOf = (key: KeyObject) => createCsr({ key, subject });

test("requests with P-256, P-384, Ed25519 and RSA keys are read, with what they ask for", async () => {
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = [
    p256,
    generateKeyPairSync("ec", { namedCurve: "P-384" }),
    generateKeyPairSync("ed25519"),
    generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  ];
  const kinds = await Promise.all(keys.map(async ({ privateKey }) => readCsr(await csrOf(privateKey)).publicKey.kind));
  assert.deepEqual(kinds, ["p256", "p384", "ed25519", "rsa"]);
  const full = readCsr(
    await createCsr({
      key: p256.privateKey,
      subject,
      alternativeNames: [{ kind: "uri", value: "urn:x" }],
      challengePassword: "secret",
    }),
  );
  assert.deepEqual(
    [formatName(full.subject), full.alternativeNames, full.linking],
    ["CN=pump-1", [{ kind: "uri", value: "urn:x" }], "secret"],
  );
});

test("a request that is not signed by its own key is refused", async () => {
  const [mine, other] = [
    await csrOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
    await csrOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
  ];
  const [a, b] = [readDer(mine).children, readDer(other).children];
  const swapped = sequence(...[a[0], a[1], b[2]].map((part) => part?.raw ?? Buffer.alloc(0)));
  assert.throws(() => readCsr(swapped), { code: "csr_proof_failed" });
  const empty = sequence(...a.slice(0, 2).map(({ raw }) => raw), bitString(Buffer.alloc(0)));
  assert.throws(() => readCsr(empty), { code: "csr_proof_failed" });
});

test("weak keys, foreign curves and explicit curve parameters are refused", async () => {
  const refused = async (key: KeyObject) => {
    try {
      return readCsr(await csrOf(key)).publicKey.kind;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  assert.equal(await refused(generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey), "algorithm_refused");
  assert.equal(await refused(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey), "algorithm_refused");
  assert.equal(await refused(generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey), "algorithm_refused");
  const explicit = generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" }).privateKey;
  assert.equal(await refused(createPrivateKey(explicit.export({ format: "pem", type: "pkcs8" }))), "algorithm_refused");
});

test("names are equal after RFC 5280 7.1: case, runs of spaces and string types do not count, order does", () => {
  const name = (...values: string[]) =>
    makeName(values.map((value, i) => ({ type: i === 0 ? oids.organizationName : oids.commonName, value })));
  assert.ok(sameName(name("Acme  Inc", "Pump"), name("acme inc", "PUMP ")));
  assert.ok(!sameName(name("Acme", "Pump"), name("Pump", "Acme")));
  const printable = readName(readDer(Buffer.from("300f310d300b060355040a130441434d45", "hex")), "x");
  assert.ok(sameName(printable, name("acme")));
});

test("PEM and base64 are read with any white space and refused with anything else", async () => {
  const der = await csrOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  assert.deepEqual(fromPem("CERTIFICATE REQUEST", toPem("CERTIFICATE REQUEST", der).replaceAll("\n", "\r\n"))[0], der);
  assert.deepEqual(fromBase64(der.toString("base64").replace(/(.{10})/g, "$1 \t\r\n")), der);
  for (const text of ["", "A", "AAA", "AA=A", "AA==AA==", "AA*A", "AB==", "é"])
    assert.throws(() => fromBase64(text), { code: "pem_malformed" }, text);
  assert.throws(() => fromPem("CERTIFICATE", "nothing"), { code: "pem_malformed" });
});
