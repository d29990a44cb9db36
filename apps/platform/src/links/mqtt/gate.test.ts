import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameReader } from "./frames.ts";
import { passGate } from "./gate.ts";
import type { Packet, Version } from "./packets.ts";

/** What the gate makes of these bytes: the packet, or the reason for which it is refused. */
function gate(hex: string, version?: Version): Packet | number {
  const frames = new FrameReader();
  frames.push(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  const frame = frames.next(1_000);
  if (frame.is === "more") throw new Error("The test's packet is not whole.");
  if (frame.is === "bad") return frame.violation.reason;
  const passed = passGate(frame, version);
  return passed.is === "bad" ? passed.violation.reason : passed.packet;
}

const [malformed, protocolError] = [0x81, 0x82];

describe("CONNECT", () => {
  test("is read with its wishes", () => {
    const packet = gate("101b 00044d515454 05 02 003c 0d 110000000a 210007 2700000400 0001 70");
    assert.deepEqual(packet, {
      is: "connect",
      version: 5,
      clientId: "p",
      clean: true,
      keepAliveS: 60,
      will: undefined,
      sessionExpiryS: 10,
      receiveMaximum: 7,
      maximumPacketSize: 1_024,
      wantsReasons: true,
      authenticationMethod: undefined,
    });
  });

  test("is refused in each of these forms", () => {
    const forms: Record<string, [string, number]> = {
      "a reserved flag": ["100d 00044d515454 04 03 000a 0001 70", malformed],
      "a will's QoS without a will": ["100d 00044d515454 04 0a 000a 0001 70", malformed],
      "a password without a user name, in 3.1.1": ["1010 00044d515454 04 42 000a 0001 70 0001 70", malformed],
      "a property that CONNECT does not have": ["1010 00044d515454 05 02 000a 02 0101 0001 70", protocolError],
      "a property twice": ["1014 00044d515454 05 02 000a 06 210001 210001 0001 70", protocolError],
      "a receive maximum of zero": ["1011 00044d515454 05 02 000a 03 210000 0001 70", protocolError],
      "bytes after its end": ["100e 00044d515454 04 02 000a 0001 70 00", malformed],
      "a text cut off": ["100c 00044d515454 04 02 000a 0001", malformed],
      "a level of the future": ["100d 00044d515454 06 02 000a 0001 70", 0x84],
      "MQTT 3.1": ["100f 00064d5149736470 03 02 000a 0001 70", 0x84],
      "another packet first": ["c000", protocolError],
    };
    for (const [name, [bytes, reason]] of Object.entries(forms)) assert.equal(gate(bytes), reason, name);
  });
});

describe("PUBLISH", () => {
  test("gives out topic, alias and payload", () => {
    assert.deepEqual(gate("320d 0001 61 0007 03 230002 68656c6c", 5), {
      is: "publish",
      qos: 1,
      retain: false,
      topic: "a",
      packetId: 7,
      alias: 2,
      pairs: undefined,
      payload: Buffer.from("hell"),
    });
  });

  test("is refused in each of these forms", () => {
    const forms: Record<string, [string, number]> = {
      "QoS 3": ["3605 0001 61 0007", malformed],
      "a duplicate of QoS 0": ["3803 0001 61", malformed],
      "packet identifier 0": ["3205 0001 61 0000", malformed],
      "a wildcard": ["3003 0001 2b", malformed],
      "no topic": ["3002 0000", protocolError],
      "a NUL": ["3003 0001 00", malformed],
      "half a surrogate pair": ["3005 0003 eda080", malformed],
      "UTF-8 longer than need be": ["3004 0002 c080", malformed],
      "a control character": ["3003 0001 1f", malformed],
    };
    for (const [name, [bytes, reason]] of Object.entries(forms)) assert.equal(gate(bytes, 4), reason, name);
    const five: Record<string, [string, number]> = {
      "a subscription identifier, which only servers send": ["3006 0001 61 02 0b01", protocolError],
      "topic alias 0": ["3007 0001 61 03 230000", protocolError],
      "a response topic with a wildcard": ["3008 0001 61 04 08 0001 23", malformed],
      "a response topic that is cut off": ["3007 0001 61 03 08 0005", malformed],
      "properties longer than the packet": ["3005 0001 61 05 01", malformed],
      "a remaining length longer than need be": ["308400 0001 61 00", malformed],
    };
    for (const [name, [bytes, reason]] of Object.entries(five)) assert.equal(gate(bytes, 5), reason, name);
  });
});

describe("SUBSCRIBE and the others", () => {
  test("are refused in each of these forms", () => {
    const forms: Record<string, [string, number]> = {
      "no filter": ["8203 0001 00", malformed],
      "reserved options": ["8207 0001 00 0001 70 40", malformed],
      "QoS 3": ["8207 0001 00 0001 70 03", malformed],
      "Retain Handling 3": ["8207 0001 00 0001 70 30", protocolError],
      "subscription identifier 0": ["8209 0001 02 0b00 0001 70 00", protocolError],
      "flags that SUBSCRIBE does not have": ["8007 0001 00 0001 70 00", malformed],
      "a wildcard inside a level": ["8208 0001 00 0002 702b 00", malformed],
      "a share without a name": ["820f 0001 00 0009 2473686172652f2f61 00", malformed],
      "UNSUBSCRIBE without a filter": ["a203 0001 00", malformed],
      "PUBACK with a reason it does not have": ["4003 0001 01", malformed],
      "DISCONNECT with a server's reason": ["e001 8e", protocolError],
      "PINGREQ with a body": ["c001 00", malformed],
      "a packet that only servers send": ["d000", protocolError],
      "AUTH, which was never agreed on": ["f000", protocolError],
      "CONNECT again": ["100e 00044d515454 05 02 000a 00 0001 70", protocolError],
      "packet type 0": ["0000", protocolError],
    };
    for (const [name, [bytes, reason]] of Object.entries(forms)) assert.equal(gate(bytes, 5), reason, name);
  });

  test("names of JavaScript's own are names like any other", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const text = Buffer.from(name);
      const bytes = Buffer.concat([Buffer.from([0x82, text.length + 6, 0, 1, 0, 0, text.length]), text, Buffer.from([1])]);
      assert.deepEqual(gate(bytes.toString("hex"), 5), {
        is: "subscribe",
        packetId: 1,
        identifier: 0,
        filters: [{ filter: name, qos: 1 }],
      });
    }
  });
});

test("a remaining length of five bytes is refused", () => {
  assert.equal(gate("308080808001", 5), malformed);
});

test("a user property is a name and a value in every packet that may have one, whether it is kept or not", () => {
  const forms: Record<string, [good: string, bad: string]> = {
    PUBACK: ["400b 0007 00 07 26 0001 61 0001 62", "4008 0007 00 04 26 0001 61"],
    UNSUBSCRIBE: ["a20d 0007 07 26 0001 61 0001 62 0001 78", "a20a 0007 04 26 0001 61 0001 78"],
  };
  for (const [name, [good, bad]] of Object.entries(forms)) {
    assert.equal(typeof gate(good, 5), "object", name);
    assert.equal(gate(bad, 5), malformed, name);
  }
});
