/**
 * Loaded before the tests (`--import`): notes which codes they provoke, by a line put into two modules while they are loaded, as a coverage tool does. The
 * product knows nothing of it. What was noted is written to `PROVOKED_CODES` when the process ends.
 */
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";

type Probe = { file: string; anchor: string; note: string };

const noted = Symbol.for("tenfold.provoked");
const note = `globalThis[Symbol.for("tenfold.provoked")].add`;
/** Where every problem is made, and where every refused attempt is written down. */
const probes: readonly Probe[] = [
  { file: "packages/base/src/problem.ts", anchor: "this.code = kind.code;", note: `${note}(kind.code);` },
  {
    file: "apps/platform/src/enrollment/attempt-log.shell.ts",
    anchor: 'const id = newId("atp", entry.at);',
    note: `${note}(entry.because);`,
  },
];

const out = process.env.PROVOKED_CODES;
if (out !== undefined) {
  const codes = new Set<string>();
  Object.assign(globalThis, { [noted]: codes });
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const probe = probes.find(({ file }) => url.endsWith(`/${file}`));
      return probe === undefined ? loaded : { ...loaded, source: probed(probe, loaded.source) };
    },
  });
  process.on("exit", () => writeFileSync(out, JSON.stringify([...codes].sort())));
}

function probed({ file, anchor, note: line }: Probe, source: unknown): string {
  const text = typeof source === "string" ? source : Buffer.from(source as Uint8Array).toString("utf8"); // what a loader hands on
  if (!text.includes(anchor)) throw new Error(`${file} no longer has the line at which codes are noted: ${anchor}`);
  return text.replace(anchor, `${anchor} ${line}`);
}
