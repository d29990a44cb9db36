import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseDuration } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";
import { deadLetterCommands } from "./dead-letters.ts";

export function telemetryCommands(program: Command): void {
  const telemetry = program.command("telemetry").description("What devices have measured");
  addVerb(telemetry, {
    usage: "show <device> <metric>",
    summary: "One series, thinned to so many points; from cells of a minute or an hour where the range is long",
    flags: [
      ["--since <duration>", "how far back", "1d"],
      ["--points <n>", "at most this many", "100"],
      ["--sampling <way>", "minmax (keeps every peak) or lttb (keeps the line's shape)", "minmax"],
    ],
    example: "telemetry show pump-1 temperature --since 90d",
    async run(session, given) {
      const { flags } = given;
      const sampling = text(flags, "sampling") === "lttb" ? ("lttb" as const) : ("minmax" as const);
      const series = await (await session.client()).call(api.getDeviceTelemetry, {
        params: { id: word(given, 0) },
        query: { metric: word(given, 1), ...rangeOf(flags), points: Number(text(flags, "points") ?? 100), sampling },
      });
      session.out.list(series.points, ({ at, v }) => ({ at, value: v, unit: series.unit }));
      session.out.note(`${series.stored} points stored; sampling ${series.sampling}, read from ${series.resolution}.`);
    },
  });
  deadLetterCommands(telemetry);
  addVerb(telemetry, {
    usage: "export [filter...]",
    summary: "Points as a file, CSV or Parquet, whatever their number",
    flags: [
      ["--metric <metric>", "this metric only"],
      ["--since <duration>", "how far back, unless --from and --to say it", "1d"],
      ["--from <time>", "from this moment on (RFC 3339)"],
      ["--to <time>", "up to this moment (RFC 3339)"],
      ["--format <format>", "csv or parquet", "csv"],
      ["--out <file>", "where to; else standard output"],
    ],
    example: "telemetry export tag:site=berlin --metric temperature --since 30d --format parquet --out berlin.parquet",
    async run(session, given) {
      const { flags } = given;
      const { from, to } = rangeOf(flags);
      const query = new URLSearchParams({ from, to, format: text(flags, "format") ?? "csv", filter: word(given, 0) });
      const metric = text(flags, "metric");
      if (metric !== undefined) query.set("metric", metric);
      const response = await (await session.client()).raw("GET", `/api/v1/telemetry/export?${query}`);
      if (response.body === null) throw cliProblems.usage("The server sent no file.");
      // Node's fetch answers with Node's own stream; the DOM types do not know that.
      const file = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
      const out = text(flags, "out");
      if (out === undefined) return pipeline(file, process.stdout, { end: false });
      await writeWhole(file, out);
      session.out.one({ file: out, from, to }, () => [`Written to ${out}.`]);
    },
  });
}

/** Under its name the file is whole, or it is not there. */
async function writeWhole(file: Readable, path: string): Promise<void> {
  const part = `${path}.part`;
  try {
    await pipeline(file, createWriteStream(part));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

function rangeOf(flags: Flags): { from: string; to: string } {
  const to = text(flags, "to") ?? new Date().toISOString();
  const since = text(flags, "since") ?? "1d";
  const length = parseDuration(since);
  if (length === undefined)
    throw cliProblems.usage(`"${since}" is not a length of time.`, { fix: "Write --since like 90d, 12h or PT5M." });
  return { from: text(flags, "from") ?? new Date(Date.parse(to) - length).toISOString(), to };
}
