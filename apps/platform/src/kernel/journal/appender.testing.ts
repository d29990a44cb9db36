/** A process of the journal's tests: appends without end and tells its parent what was acknowledged, until it is killed. */
import { silentLog } from "../log.ts";
import { openJournal } from "./index.ts";

const [dir = "", round = ""] = process.argv.slice(2);
process.on("disconnect", () => process.exit());
const journal = await openJournal({ dir, log: silentLog, limits: { segmentBytes: 8_192 } });
journal.consume({ apply: async () => {}, cutAfterMs: 1_000_000, maxFrames: 1_000_000, maxBytes: 1e12 });
for (let i = 0; ; i += 20) {
  const frames = Array.from({ length: 20 }, (_, k) => `${round}-${i + k}`);
  await Promise.all(frames.map((frame) => journal.append(Buffer.from(frame))));
  process.send?.(frames);
}
