import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { Directory } from "./directory.ts";
import { farewells } from "./farewells.ts";
import type { Admission, Farewell, Identity, Link } from "./link.ts";

const pump: Identity = { device: "pump-1", scope: defaultScope, fingerprint: "aa" };
const admitted: Admission = { is: "admit", ...pump };
const barred = farewells.barred("device_suspended", "The device was suspended.");

function linkOf(identity: Identity, closings: Farewell[] = []): Link {
  return {
    identity,
    transport: "mqtt",
    open: true,
    close: (farewell) => closings.push(farewell),
    offer: () => false,
    refresh: () => false,
  };
}

test("an admission that is older than a bar is asked for again", async () => {
  const directory = new Directory();
  const verdicts: Admission[] = [{ is: "refuse", because: "device_suspended", detail: "" }, admitted];
  const verdict = await directory.admit(
    async () => {
      const answer = verdicts.pop() ?? admitted;
      if (answer.is === "admit") directory.close("pump-1", barred);
      return answer;
    },
    (identity) => linkOf(identity),
  );
  assert.equal(verdict.is, "refuse");
  assert.deepEqual(directory.all(), []);
});

test("while devices are barred without a pause, nobody is admitted on an old answer", async () => {
  const directory = new Directory();
  const judge = async () => {
    directory.close("pump-2", barred);
    return admitted;
  };
  assert.equal((await directory.admit(judge, (identity) => linkOf(identity))).is, "refuse");
});

test("an admitted device is listed in the same step, so a bar right after it closes its link", async () => {
  const [directory, closings] = [new Directory(), [] as Farewell[]];
  const admission = directory.admit(
    async () => admitted,
    (identity) => linkOf(identity, closings),
  );
  await admission;
  assert.equal(directory.close("pump-1", barred, "bb"), 0);
  assert.equal(directory.close("pump-1", barred, "aa"), 1);
  assert.deepEqual(closings, [barred]);
});
