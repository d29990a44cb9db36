import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { RenewalAnswer } from "@tenfold/contracts";
import { renewalTalk } from "./renewal.ts";

const topic = "devices/pump-1/identity/certificate";
const hashOf = (csr: string) => createHash("sha256").update(csr).digest("hex");
const issued = (csr: string): RenewalAnswer => ({ is: "issued", request: hashOf(csr), certificate: "AQID" });

/** A link that answers with what `answers` says for the request that was published. */
function linkThat(answers: (csr: string) => unknown[]) {
  const published: string[] = [];
  const talk = renewalTalk(
    "pump-1",
    async (to, csr) => {
      published.push(to);
      for (const one of answers(csr)) talk.hear(topic, typeof one === "string" ? one : JSON.stringify(one));
    },
    30,
  );
  return { talk, published };
}

test("a request goes up the link, and its answer is taken even where it comes before the acknowledgement", async () => {
  const { talk, published } = linkThat((csr) => ["no JSON", issued("another request"), issued(csr)]);
  assert.deepEqual([...(await talk.certify("csr"))], [1, 2, 3]);
  assert.deepEqual(published, ["devices/pump-1/identity/renewal"]);
});

test("a no and a later are told apart, and silence is an outcome", async () => {
  const refused = { is: "refused", code: "certificate_revoked", detail: "It was revoked." };
  const no = linkThat((csr) => [{ ...refused, request: hashOf(csr) }]);
  await assert.rejects(no.talk.certify("csr"), { code: "enrollment_refused", message: /certificate_revoked/ });
  const later = linkThat((csr) => [{ ...refused, code: "rate_limited", retryAfterS: 9, request: hashOf(csr) }]);
  await assert.rejects(later.talk.certify("csr"), { code: "enrollment_unreachable", retryAfterS: 9 });
  await assert.rejects(linkThat(() => []).talk.certify("csr"), { code: "publish_unanswered" });
});

test("what comes down on other topics is not the renewal's", () => {
  const { talk } = linkThat(() => []);
  assert.equal(talk.hear("devices/pump-1/identity", "{}"), false);
  assert.equal(talk.hear(topic, JSON.stringify(issued("nobody asked"))), true);
});
