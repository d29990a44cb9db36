import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "@tenfold/base";
import { readCore } from "./core.ts";
import { signatureOf } from "./signature.ts";

const panic = (at: string, address: string) =>
  Buffer.from(
    [
      `<6>[   ${at}] pump0: link up`,
      `<0>[   ${at}] Kernel panic - not syncing: Fatal exception in interrupt at ${address}`,
      `<4>[   ${at}] Call trace:`,
      `<4>[   ${at}]  dump_stack+0x1c/0x28`,
      `<4>[   ${at}]  valve_close+0x4c/0x80 [pump]`,
      `<4>[   ${at}]  ? pump_irq+0x1c/0x90 [pump]`,
    ].join("\n"),
  );

test("the same panic of two devices, at other times and addresses, has one signature; another has another", () => {
  const [a, b] = [
    signatureOf("pstore", panic("12.345678", "0xffff8000104a")),
    signatureOf("pstore", panic("99.000001", "0xffff8000999f")),
  ];
  assert.deepEqual(a, b);
  assert.deepEqual(a.frames, ["valve_close", "pump_irq"]);
  assert.equal(a.title, "Fatal exception in interrupt at 0x…");
  assert.notEqual(
    signatureOf("pstore", Buffer.from("Kernel panic - not syncing: VFS: unable to mount root")).signature,
    a.signature,
  );
});

test("runtimes announce themselves too: JavaScript, Rust, gdb; what says nothing is a crash without a name", () => {
  const js = signatureOf(
    "log",
    Buffer.from(
      "TypeError: cannot read 7 of undefined\n    at openValve (/app/valve.js:12:3)\n    at async main (/app/index.js:4:1)",
    ),
  );
  assert.deepEqual([js.title, js.frames], ["TypeError: cannot read N of undefined", ["openValve", "main"]]);
  assert.match(signatureOf("log", Buffer.from("thread 'main' panicked at src/main.rs:7:5")).title, /panicked at/);
  assert.equal(signatureOf("bootlog", Buffer.from("all is well")).title, "bootlog without a known error");
});

/** A core as Linux writes it: one PT_NOTE with NT_PRSTATUS, NT_PRPSINFO and NT_FILE. */
function coreDump(counter: bigint): Buffer {
  const note = (type: number, data: Buffer) => {
    const head = Buffer.alloc(12 + 8);
    head.writeUInt32LE(5, 0);
    head.writeUInt32LE(data.length, 4);
    head.writeUInt32LE(type, 8);
    head.write("CORE", 12, "latin1");
    return Buffer.concat([head, data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
  };
  const status = Buffer.alloc(336);
  status.writeUInt16LE(11, 12);
  status.writeBigUInt64LE(counter, 112 + 16 * 8);
  const info = Buffer.alloc(136);
  info.write("gated", 40, "latin1");
  const files = Buffer.alloc(16 + 24);
  files.writeBigUInt64LE(1n, 0);
  files.writeBigUInt64LE(4096n, 8);
  files.writeBigUInt64LE(0x7f0000000000n, 16);
  files.writeBigUInt64LE(0x7f0000100000n, 24);
  files.writeBigUInt64LE(2n, 32);
  const notes = Buffer.concat([
    note(1, status),
    note(3, info),
    note(0x46494c45, Buffer.concat([files, Buffer.from("/usr/lib/libvalve.so\0")])),
  ]);
  const head = Buffer.alloc(64 + 56);
  head.writeUInt32BE(0x7f454c46, 0);
  head.set([2, 1, 1], 4);
  head.writeUInt16LE(4, 16);
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(4, 64);
  head.writeBigUInt64LE(BigInt(head.length), 64 + 8);
  head.writeBigUInt64LE(BigInt(notes.length), 64 + 32);
  return Buffer.concat([head, notes]);
}

test("a core says which program died of what, and where in which module, wherever that was loaded", () => {
  assert.deepEqual(readCore(coreDump(0x7f0000000abcn)), { program: "gated", signal: "SIGSEGV", at: "libvalve.so+0x2abc" });
  assert.deepEqual(signatureOf("core", coreDump(0x7f0000000abcn)).frames, ["libvalve.so+0x2abc"]);
});

test("whatever bytes a device sends, there is a signature and no exception", () => {
  const random = seededRandom("crashes");
  const core = coreDump(0x7f0000000abcn);
  for (let i = 0; i < 5_000; i++) {
    const bytes = i % 2 === 0 ? Buffer.from(core) : Buffer.from(panic("1.0", "0x1"));
    for (let n = 0; n < 8; n++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const { signature } = signatureOf(i % 2 === 0 ? "core" : "pstore", bytes.subarray(0, Math.floor(random() * bytes.length)));
    assert.match(signature, /^[0-9a-f]{16}$/);
  }
});
