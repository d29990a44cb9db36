import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSimFirmware } from "@tenfold/testkit";
import { fateOf, readBehaviour } from "./firmware.ts";
import { deviceIds } from "./run.ts";

const ids = deviceIds("sim", 2_000);
const hit = (seed: number, firmware: Parameters<typeof makeSimFirmware>[0]) => {
  const behaviour = readBehaviour(makeSimFirmware(firmware));
  return ids.filter((device) => fateOf(behaviour, { seed, device }) === "bricks");
};

test("a share of a fifth hits about a fifth of the devices, and the same ones every time", () => {
  const bricked = hit(7, { version: "2.0.0", bricks: 0.2 });
  assert.ok(bricked.length > 340 && bricked.length < 460, `${bricked.length} of 2000`);
  assert.deepEqual(hit(7, { version: "2.0.0", bricks: 0.2 }), bricked);
  assert.notDeepEqual(hit(8, { version: "2.0.0", bricks: 0.2 }), bricked);
  assert.notDeepEqual(hit(7, { version: "2.0.1", bricks: 0.2 }), bricked);
});

test("firmware that harms all of them, or none, does exactly that", () => {
  assert.equal(hit(7, { version: "2.0.0", bricks: 1 }).length, 2_000);
  assert.equal(hit(7, { version: "2.0.0" }).length, 0);
});

test("an image has the wanted size and the same bytes for the same wish", () => {
  assert.equal(makeSimFirmware({ version: "1.0.0" }, 5_000).length, 5_000);
  assert.deepEqual(makeSimFirmware({ version: "1.0.0" }, 5_000), makeSimFirmware({ version: "1.0.0" }, 5_000));
});

test("bytes without the header are ordinary firmware; a header with a mistake is an error and not a harmless release", () => {
  assert.equal(readBehaviour(Buffer.from("\x7fELF")), undefined);
  assert.throws(() => readBehaviour(Buffer.from('{"tenfoldSim":{"version":"2.0.0","brick":0.2}}\n')), /brick/);
  assert.throws(
    () => readBehaviour(Buffer.from('{"tenfoldSim":{"version":"2.0.0","bricks":0.7,"crashLoops":0.7}}\n')),
    /more than 1/,
  );
});

test("device names have as many digits as the fleet needs", () => {
  assert.deepEqual(deviceIds("sim", 2), ["sim-0001", "sim-0002"]);
  assert.equal(deviceIds("sim", 12_000).at(-1), "sim-12000");
});
