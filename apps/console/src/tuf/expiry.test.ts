import assert from "node:assert/strict";
import { test } from "node:test";
import { days, hours } from "@tenfold/base";
import { judgeExpiry, signerOf, worstOf } from "./expiry.ts";

const now = Date.parse("2026-11-28T12:00:00Z");
const ends = (inMs: number) => new Date(now + inMs).toISOString();
const tones = (repository: "image" | "director", role: string, left: number[]) =>
  left.map((each) => judgeExpiry(repository, { role, expires: ends(each) }, now).tone);

test("what offline keys sign warns long before its end, and says how it is renewed", () => {
  assert.deepEqual(tones("image", "targets", [days(31), days(29), days(6), -1]), ["ok", "warn", "bad", "bad"]);
  assert.deepEqual(tones("director", "root", [days(61), days(59), days(6)]), ["ok", "warn", "bad"]);
  assert.match(
    judgeExpiry("director", { role: "root", expires: ends(days(10)) }, now).todo ?? "",
    /rotate FOLDER --role root --repository director/,
  );
  assert.match(judgeExpiry("image", { role: "acme-radios", expires: ends(days(10)) }, now).todo ?? "", /renew FOLDER/);
});

test("what the server signs renews itself and alarms nobody while it is good", () => {
  assert.deepEqual(tones("image", "timestamp", [hours(5), -1]), ["ok", "idle"]);
  assert.deepEqual(
    [signerOf("director", "targets"), signerOf("image", "targets"), signerOf("director", "root")],
    ["server", "offline", "offline"],
  );
});

test("the page leads with the worst, and with nothing while all is well", () => {
  const role = (name: string, left: number) => ({ role: name, version: 1, expires: ends(left), expired: left < 0 });
  const online = { keyid: "ab", key: { keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", keyval: { public: "" } } };
  const status = (rootLeft: number, targetsLeft: number) => ({
    online,
    image: { set: true, targets: 1, roles: [role("root", rootLeft), role("targets", targetsLeft), role("timestamp", -1)] },
    director: { set: true, roles: [role("root", days(300))] },
  });
  assert.equal(worstOf(status(days(300), days(80)), now), undefined);
  assert.equal(worstOf(status(days(50), days(80)), now)?.role, "root");
  assert.equal(worstOf(status(days(50), -1), now)?.role, "targets");
});
