import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, seededRandom } from "@tenfold/base";
import { asClient, csrFor, enrollmentWorld, newKey, operator, trustedFactory } from "./testing.ts";

const seed = "est-bodies-1";
const bodies = 2_000;

/** A valid body with a few bytes changed, cut, doubled or put in, as DER before base64 or as text after it. */
function mutate(csr: Buffer, random: () => number): Buffer {
  const pick = (n: number) => Math.floor(random() * n);
  let bytes = Buffer.from(csr);
  for (let changes = 1 + pick(4); changes > 0; changes--) {
    const at = pick(bytes.length || 1);
    const kind = pick(5);
    if (kind === 0) bytes[at] = pick(256);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([pick(256)]), bytes.subarray(at)]);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
  }
  if (bytes.equals(csr)) bytes = Buffer.concat([bytes, Buffer.from([0])]);
  const text = Buffer.from(bytes.toString("base64"));
  if (pick(4) === 0 && text.length > 0) text[pick(text.length)] = pick(256);
  return text;
}

test(`${bodies} broken requests over EST: always a clear 4xx, nothing enrolled, and the next good one is served`, async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const identity = await device("pump-1");
  const shown = { chain: [identity.certificate.der], basic: undefined };
  const random = seededRandom(seed);
  const csr = Buffer.from(await csrFor("pump-1", newKey()), "base64");
  for (let i = 0; i < bodies; i++) {
    const body = mutate(csr, random);
    // Each hundredth goes over the wire, the rest straight into the same function: the handshake is not what is tested here.
    const outcome =
      i % 100 === 0
        ? await overTheWire(w, body, asClient(identity))
        : await w.enrollment.enroll({ operation: "simpleenroll", body, shown, remoteAddress: undefined });
    assert.ok(outcome.is === "refused" && outcome.status === 400, `seed ${seed}, body ${i}: ${body.toString("latin1")}`);
  }
  const { listCertificates } = await import("./certificate-store.shell.ts");
  assert.equal((await listCertificates(w.db, defaultScope, { limit: 10 })).length, 0);
  assert.equal((await w.post("simpleenroll", csr.toString("base64"), asClient(identity))).status, 200);
});

async function overTheWire(w: Awaited<ReturnType<typeof enrollmentWorld>>, body: Buffer, client: ReturnType<typeof asClient>) {
  const answer = await w.post("simpleenroll", body, client);
  assert.match(answer.body.toString(), /^(request_malformed|proof_of_possession_failed|algorithm_refused): /);
  return { is: "refused", status: answer.status };
}
