/** What the head of an ELF core dump says of a crash. `at` is where it was, as module and offset: the same in every process of one build. */
export type Core = { program: string; signal: string; at?: string };

const signals: Readonly<Record<number, string>> = {
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  11: "SIGSEGV",
  31: "SIGSYS",
};
const notePrStatus = 1;
const notePrPsInfo = 3;
const noteFile = 0x46494c45;
/** Where the program counter lies among the registers of `NT_PRSTATUS`, by machine (elf.h): x86-64 rip, AArch64 pc. */
const counterAt: Readonly<Record<number, number>> = { 62: 112 + 16 * 8, 183: 112 + 32 * 8 };

/** Reads the notes of a 64-bit little-endian core (ELF, System V ABI; notes as Linux writes them). Undefined where the head is none. */
export function readCore(head: Buffer): Core | undefined {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1 || head.readUInt16LE(16) !== 4)
    return undefined;
  const [offset, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), Math.min(head.readUInt16LE(56), 1_000)];
  const notes = Array.from({ length: count }, (_, i) => offset + i * size).flatMap((at) =>
    at + 56 <= head.length && head.readUInt32LE(at) === 4
      ? notesIn(head, Number(head.readBigUInt64LE(at + 8)), Number(head.readBigUInt64LE(at + 32)))
      : [],
  );
  const status = notes.find(({ type }) => type === notePrStatus)?.data;
  const info = notes.find(({ type }) => type === notePrPsInfo)?.data;
  if (status === undefined || status.length < 16) return undefined;
  const signal = signals[status.readUInt16LE(12)] ?? `signal ${status.readUInt16LE(12)}`;
  const program = info && info.length >= 56 ? textAt(info, 40, 16) : "unknown program";
  const at = counterAt[head.readUInt16LE(18)];
  const counter = at !== undefined && status.length >= at + 8 ? status.readBigUInt64LE(at) : undefined;
  const files = notes.find(({ type }) => type === noteFile)?.data;
  const place = counter === undefined || files === undefined ? undefined : moduleAt(files, counter);
  return { program, signal, ...(place === undefined ? {} : { at: place }) };
}

type ElfNote = { type: number; data: Buffer };

function notesIn(head: Buffer, from: number, length: number): ElfNote[] {
  const notes: ElfNote[] = [];
  const end = Math.min(head.length, from + length);
  for (let at = from; at + 12 <= end && notes.length < 4_096; ) {
    const [nameSize, dataSize, type] = [head.readUInt32LE(at), head.readUInt32LE(at + 4), head.readUInt32LE(at + 8)];
    const data = at + 12 + aligned(nameSize);
    if (data + dataSize > end) break;
    notes.push({ type, data: head.subarray(data, data + dataSize) });
    at = data + aligned(dataSize);
  }
  return notes;
}

// No bit operations: they would make a huge size negative.
const aligned = (size: number): number => Math.ceil(size / 4) * 4;

function textAt(bytes: Buffer, from: number, most: number): string {
  const slice = bytes.subarray(from, from + most);
  const end = slice.indexOf(0);
  return slice
    .subarray(0, end < 0 ? slice.length : end)
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");
}

/** `NT_FILE`: count, page size, then start, end and page offset of each mapping, then their names. */
function moduleAt(files: Buffer, counter: bigint): string | undefined {
  if (files.length < 16) return undefined;
  const [count, page] = [Number(files.readBigUInt64LE(0)), files.readBigUInt64LE(8)];
  if (count > 10_000 || 16 + count * 24 > files.length) return undefined;
  const names = files
    .subarray(16 + count * 24)
    .toString("latin1")
    .split("\0");
  for (let i = 0; i < count; i++) {
    const [start, end, offset] = [0, 8, 16].map((field) => files.readBigUInt64LE(16 + i * 24 + field));
    if (start === undefined || end === undefined || offset === undefined || counter < start || counter >= end) continue;
    const name =
      names[i]
        ?.split("/")
        .at(-1)
        ?.replace(/[^\x20-\x7e]/g, "?") ?? "?";
    return `${name}+0x${(counter - start + offset * page).toString(16)}`;
  }
  return undefined;
}
