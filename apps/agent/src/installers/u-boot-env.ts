import { open, readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";

/**
 * The agent's side of U-Boot's redundant environment (CRC-32, counter, `name=value` with NUL between). The boot loader has a reader of its own:
 * what decides about a start shares no code with what asks for it.
 */
export type UBootEnv = {
  read(): Promise<Map<string, string>>;
  /** Changes some variables in one durable write; the others stay. */
  set(changes: Readonly<Record<string, string>>): Promise<void>;
};

const size = 0x4000;
const head = 5;

export function openUBootEnv(copies: readonly [string, string]): UBootEnv {
  const current = async () => {
    const found = (await Promise.all(copies.map(parse))).filter((one) => one !== undefined);
    // The counter goes round: 0 comes after 255.
    return found.reduce<(typeof found)[number] | undefined>(
      (best, one) => (best === undefined || (one.counter - best.counter + 256) % 256 < 128 ? one : best),
      undefined,
    );
  };
  return {
    read: async () => (await current())?.variables ?? new Map(),
    async set(changes) {
      const now = await current();
      const variables = new Map([...(now?.variables ?? []), ...Object.entries(changes)]);
      const target = now?.path === copies[0] ? copies[1] : copies[0];
      await writeCopy(target, { counter: ((now?.counter ?? 0) + 1) % 256, variables });
    },
  };
}

type Copy = { path: string; counter: number; variables: Map<string, string> };

async function parse(path: string): Promise<Copy | undefined> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  if (bytes.length < size || bytes.readUInt32LE(0) !== crc32(bytes.subarray(head, size))) return undefined;
  const text = bytes.subarray(head, size).toString("latin1");
  const entries = text.slice(0, text.indexOf("\0\0")).split("\0");
  const pairs = entries.flatMap((entry): [string, string][] => {
    const at = entry.indexOf("=");
    return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
  });
  return { path, counter: bytes[4] ?? 0, variables: new Map(pairs) };
}

async function writeCopy(path: string, { counter, variables }: Omit<Copy, "path">): Promise<void> {
  const bytes = Buffer.alloc(size);
  bytes.write([...variables].map(([name, value]) => `${name}=${value}\0`).join(""), head, "latin1");
  bytes.writeUInt32LE(crc32(bytes.subarray(head)), 0);
  bytes[4] = counter;
  const file = await open(path, "r+").catch(() => open(path, "w+", 0o600));
  try {
    await file.write(bytes, 0, size, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
