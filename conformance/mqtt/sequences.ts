import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** One sequence: what a client sends, and what a general broker answers. */
export type Sequence = {
  name: string;
  version: 3 | 4 | 5;
  /** Whether a default CONNECT and CONNACK come first. */
  connects: boolean;
  endsClosed: boolean;
  steps: Step[];
};
export type Step =
  | { is: "send" | "receive"; bytes: Buffer }
  | { is: "publish_from_elsewhere"; topic: string; payload: string; qos: number };

type RawStep = { type: string; payload: string; topic?: string; qos?: number };
type RawTest = { name: string; ver?: 3 | 4 | 5; connect?: boolean; expect_disconnect?: boolean; msgs?: RawStep[] };
type RawGroup = { group: string; ver?: 3 | 4 | 5; connect?: boolean; expect_disconnect?: boolean; tests: RawTest[] };

/** The folder with the recorded sequences, beside the checkout or where the variable says; undefined where there is none. */
export function findSequences(): string | undefined {
  const shared = process.env.TENFOLD_TEST_SHARED ?? join(import.meta.dirname, "../../../shared");
  const folder = join(shared, "data/mqtt-sequences");
  return existsSync(folder) ? folder : undefined;
}

export function readSequences(folder: string): Sequence[] {
  return globSync(join(folder, "*.json"))
    .toSorted()
    .flatMap((file) => {
      // The files' shape is theirs; their README describes it.
      const groups = JSON.parse(readFileSync(file, "utf8")) as RawGroup[];
      return groups.flatMap((group) => group.tests.map((test) => readSequence(basename(file, ".json"), group, test)));
    });
}

function readSequence(file: string, group: RawGroup, test: RawTest): Sequence {
  return {
    name: `${file} / ${group.group} / ${test.name}`,
    version: test.ver ?? group.ver ?? 4,
    connects: test.connect ?? group.connect ?? true,
    endsClosed: test.expect_disconnect ?? group.expect_disconnect ?? true,
    steps: (test.msgs ?? []).map(readStep),
  };
}

function readStep({ type, payload, topic = "", qos = 0 }: RawStep): Step {
  if (type === "external_publish") return { is: "publish_from_elsewhere", topic, payload, qos };
  return { is: type === "send" ? "send" : "receive", bytes: readBytes(payload) };
}

const token = /'([^']*)'|([rvmskHLi])(\d+)|([0-9A-Fa-f]+)/g;

/** Hex bytes, `'text'`, and numbers: `r`, `v` variable, `m`, `s`, `k`, `H` of two bytes, `L` of four, `i` of one. */
export function readBytes(notation: string): Buffer {
  return Buffer.concat(
    [...notation.matchAll(token)].map(([, text, kind, digits, hex]) => {
      if (text !== undefined) return Buffer.from(text, "latin1");
      return hex === undefined ? readNumber(kind ?? "", Number(digits)) : Buffer.from(hex, "hex");
    }),
  );
}

function readNumber(kind: string, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  if (kind === "L") return bytes;
  if (kind === "i") return bytes.subarray(3);
  return kind === "r" || kind === "v" ? variable(value) : bytes.subarray(2);
}

/** As many bytes as it takes, even where the standard allows but four. */
function variable(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; bytes.length === 0 || left > 0; left = Math.floor(left / 128))
    bytes.push((left % 128) | (left >= 128 ? 0x80 : 0));
  return Buffer.from(bytes);
}
