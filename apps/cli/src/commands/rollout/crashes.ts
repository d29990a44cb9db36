import { api, type CrashSignature } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, text, word } from "../../verb.ts";

const line = (one: CrashSignature): string =>
  `  ${one.devices} devices, ${one.crashes} crashes: ${one.title}${one.frames.length > 0 ? ` at ${one.frames.join(" < ")}` : ""} (build ${one.build?.slice(0, 12) ?? one.version ?? "unknown"}, e.g. ${one.example})`;

export function rolloutCrashes(rollout: Command): void {
  addVerb(rollout, {
    usage: "crashes <id>",
    summary: "Crashes of devices that were exposed to a rollout, grouped; --release lets the evidence go",
    flags: [
      ["--release", "keep the evidence for the usual time from now on, and no longer until somebody lets it go"],
      ["--reason <text>", "why it is let go"],
    ],
    async run(session, given) {
      const client = await session.client();
      const id = word(given, 0);
      if (given.flags.release) {
        await session.confirm(`Let the crash evidence of ${id} go?`);
        const answer = await client.call(api.releaseCrashes, {
          body: { rollout: id, reason: text(given.flags, "reason") ?? "not said" },
        });
        return session.out.one(answer, () => [`${answer.released} artifacts are no longer pinned.`]);
      }
      const { items } = await client.call(api.listCrashSignatures, { query: { rollout: id } });
      session.out.one({ items }, () =>
        items.length === 0 ? ["No crash was received from devices that were exposed to it."] : items.map(line),
      );
    },
  });
  addVerb(rollout, {
    usage: "halt-report <id>",
    summary: "The report that a halt wrote: who, when, why, how many, what crashed, what next; as Markdown",
    async run(session, given) {
      const report = await (await session.client()).call(api.getHaltReport, { params: { id: word(given, 0) } });
      session.out.one(report, () => report.markdown.split("\n"));
    },
  });
}
