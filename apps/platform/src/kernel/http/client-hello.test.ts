import assert from "node:assert/strict";
import { test } from "node:test";
import { firstFlight } from "@tenfold/testkit";
import fc from "fast-check";
import { helloIn } from "./client-hello.ts";

const most = 16 * 1024;

/** The same message in records of `size` bytes. */
function inRecords(bytes: Buffer, size: number): Buffer {
  const message = bytes.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

test("a ClientHello is whole with its last byte and not before, in one record or in many", async () => {
  const one = await firstFlight();
  for (const bytes of [one, inRecords(one, 100), inRecords(one, 4)]) {
    assert.equal(helloIn(bytes, most), "whole");
    for (let length = 0; length < bytes.length; length++)
      assert.equal(helloIn(bytes.subarray(0, length), most), "more", `${length} bytes`);
  }
});

test("what is no TLS is known at its first bytes", () => {
  for (const hex of ["47", "10", "1504", "1602", "1603010000", "1603014001", "160301000502", "160301000301"])
    assert.equal(helloIn(Buffer.from(hex, "hex"), most), "none", hex);
});

test("once it is whole or nothing, more bytes do not change that", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 20 }), (bytes, more) => {
      const before = helloIn(bytes, most);
      if (before !== "more") assert.notEqual(helloIn(Buffer.concat([bytes, more]), most), "more");
    }),
  );
});

test("a hello that announces more than it may have is refused at its header, whatever follows", () => {
  const announces = (bytes: number) => Buffer.from([0x16, 3, 1, 0x40, 0, 1, bytes >> 16, (bytes >> 8) & 255, bytes & 255]);
  assert.equal(helloIn(announces(0xffffff), most), "too_large");
  assert.equal(helloIn(announces(most - 3), most), "too_large");
  assert.equal(helloIn(announces(most - 4), most), "more");
});
