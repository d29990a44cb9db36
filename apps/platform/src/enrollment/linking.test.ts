import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope, minutes } from "@tenfold/base";
import { createCsr, der, oids, readDer } from "@tenfold/pki";
import { requestAttributes } from "./csrattrs.ts";
import { createRateLimit } from "./rate.ts";
import {
  asClient,
  certificateIn,
  csrFor,
  enrolled,
  enrollmentWorld,
  newKey,
  operator,
  postLinked,
  trustedFactory,
} from "./testing.ts";

const subject = [{ type: oids.commonName, value: "pump-1" }];
const linked = (attribute: "challengePassword" | "estIdentityLinking") => (binding: string) =>
  createCsr({ key: newKey(), subject, [attribute]: binding });

async function pumpWorld(options: Parameters<typeof enrollmentWorld>[0] = {}) {
  const w = await enrollmentWorld(options);
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  return { w, client: asClient(await device("pump-1")), [Symbol.asyncDispose]: () => w[Symbol.asyncDispose]() };
}

test("[E16] [E17] a request that names its TLS connection is taken with TLS 1.2 and 1.3, by either attribute", async () => {
  await using place = await pumpWorld();
  const { w, client } = place;
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const attribute of ["challengePassword", "estIdentityLinking"] as const) {
      const answer = await postLinked(w, "linked/simpleenroll", { client, version, csr: linked(attribute) });
      assert.equal(answer.status, 200, `${version} ${attribute}: ${answer.body}`);
    }
  }
});

test("a request that names another connection, none where one is demanded, or a mere password is refused with its own reason", async () => {
  await using place = await pumpWorld();
  const { w, client } = place;
  const post = async (path: string, wish: { challengePassword?: string }) => {
    const answer = await w.post(path, (await createCsr({ key: newKey(), subject, ...wish })).toString("base64"), client);
    return `${answer.status} ${answer.body.toString().split(":")[0]}`;
  };
  const elsewhere = Buffer.alloc(32, 7).toString("base64");
  assert.equal(await post("simpleenroll", { challengePassword: elsewhere }), "403 linking_differs");
  assert.equal(await post("simpleenroll", { challengePassword: "secret12" }), "403 linking_unreadable");
  assert.equal(await post("simpleenroll", { challengePassword: "not base64!" }), "403 linking_unreadable");
  assert.equal(await post("linked/simpleenroll", {}), "403 linking_missing");
  assert.match(await post("unlinked/simpleenroll", { challengePassword: "secret12" }), /^200/);
  assert.match(await post("simpleenroll", {}), /^200/);
});

test("the setting demands linking on every path, and csrattrs then asks for it", async () => {
  await using place = await pumpWorld({ linking: "required" });
  const { w, client } = place;
  const answer = await w.post("unlinked/simpleenroll", await csrFor("pump-1", newKey()), client);
  assert.match(answer.body.toString(), /^linking_missing: /);
  const asked = Buffer.from((await w.call("GET", "/.well-known/est/csrattrs")).body.toString(), "base64");
  assert.deepEqual(asked, requestAttributes("required"));
  const has = (attributes: Buffer, id: string) => readDer(attributes).children.some(({ raw }) => raw.equals(der.oid(id)));
  assert.ok(has(asked, oids.challengePassword) && has(asked, oids.estIdentityLinking));
  assert.ok(!has(requestAttributes("optional"), oids.challengePassword));
});

test("a linked request that comes again with the same key on another connection brings the same certificate", async () => {
  await using place = await pumpWorld();
  const { w, client } = place;
  const key = newKey();
  const csr = (challengePassword: string) => createCsr({ key, subject, challengePassword });
  const ask = async () => certificateIn(await postLinked(w, "simpleenroll", { client, version: "TLSv1.3", csr })).serialNumber;
  assert.equal(await ask(), await ask());
});

test("a device that slept past its certificate's end renews once within the grace, with the newest one only", async () => {
  await using place = await pumpWorld({ renewalGrace: days(10) });
  const { w, client } = place;
  const first = await enrolled(w, "simpleenroll", { serial: "pump-1", client });
  w.pass(days(31));
  const because = async (given: typeof first) =>
    (await w.post("simplereenroll", await csrFor("pump-1", newKey()), given)).body.toString().split(":")[0];
  assert.equal((await w.enrollment.admit(first.certificate)).is, "refuse", "it does not connect");
  const second = await enrolled(w, "simplereenroll", { serial: "pump-1", client: first });
  assert.ok((await w.attempts()).some(({ because }) => because === "recovered"));
  assert.equal(await because(first), "certificate_expired", "it recovers once");
  assert.equal((await w.enrollment.admit(second.certificate)).is, "admit");
  w.pass(days(41));
  assert.equal(await because(second), "certificate_expired", "past the grace");
  const third = await enrolled(w, "simpleenroll", { serial: "pump-1", client });
  w.pass(days(31));
  await w.enrollment.revoke(defaultScope, { serialNumber: third.certificate.serialNumber, because: "lost", actor: operator });
  assert.equal(await because(third), "certificate_revoked");
});

test("who asks too often is told for how long to wait, and others are served meanwhile", async () => {
  await using place = await pumpWorld({ requestsPerMinute: 3 });
  const { w, client } = place;
  const csr = await csrFor("pump-1", newKey());
  for (let i = 0; i < 3; i++) assert.equal((await w.post("simpleenroll", csr, client)).status, 200);
  const answer = await w.post("simpleenroll", csr, client);
  assert.deepEqual(
    [answer.status, answer.headers["retry-after"], answer.body.toString().split(":")[0]],
    [429, "20", "rate_limited"],
  );
  assert.equal((await w.post("simpleenroll", csr)).status, 401);
  w.pass(20_000);
  assert.equal((await w.post("simpleenroll", csr, client)).status, 200);
  assert.ok((await w.attempts()).some(({ because }) => because === "rate_limited"));
});

test("the limit of rates fills again evenly, never beyond its size, and forgets who has been silent for longest", () => {
  const limit = createRateLimit(2);
  assert.deepEqual([limit.take("a", 0), limit.take("a", 0), limit.take("a", 0)], [0, 0, 30_000]);
  assert.equal(limit.take("a", 30_000), 0);
  assert.deepEqual([limit.take("a", minutes(60)), limit.take("a", minutes(60)), limit.take("a", minutes(60))], [0, 0, 30_000]);
  for (let i = 0; i < 20_000; i++) limit.take(`other-${i}`, minutes(60));
  assert.equal(limit.take("a", minutes(60)), 0);
});
