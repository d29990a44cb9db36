import { api, type KeepDays, type RetentionClass, type RetentionPreview, retentionClass } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";

const keepFlags: [string, string][] = retentionClass.options.map((name) => [
  `--${name} <days>`,
  `how long ${meaning(name)} are kept: days, or "ever"`,
]);

export function retentionCommands(program: Command): void {
  const retention = program.command("retention").description("How long telemetry is kept, what is held, and what was deleted");
  showing(retention);
  deleting(retention);
  holding(retention);
}

function showing(retention: Command): void {
  addVerb(retention, {
    usage: "show",
    summary: "The policy, what there is of each class, holds, and the newest deletions",
    async run(session) {
      const shown = await (await session.client()).call(api.getRetention, {});
      session.out.one(shown, () => [
        ...shown.classes.map(
          (each) =>
            `${each.class.padEnd(7)} kept ${daysOf(shown.keepDays[each.class])}: ${each.rows} rows, ${sizeOf(each.bytes)}${each.oldest ? `, since ${each.oldest}` : ""}`,
        ),
        ...shown.holds.map((hold) =>
          [
            `hold ${hold.id} (${hold.kind}: ${hold.reason}): ${hold.devices.length} devices, ${hold.from} to ${hold.until}`,
            hold.releasedAt === undefined ? "" : `, released ${hold.releasedAt}`,
          ].join(""),
        ),
        ...shown.deletions.map(
          (each) =>
            `${each.finishedAt ?? "under way"}: ${each.rows} rows of ${each.class} before ${each.before} (${each.reason})${each.sha256 ? `, sha256 ${each.sha256}` : ""}`,
        ),
      ]);
    },
  });
  addVerb(retention, {
    usage: "preview",
    summary: "What a policy would delete and save now; changes nothing",
    flags: keepFlags,
    example: "retention preview --raw 30 --logs 7",
    async run(session, { flags }) {
      const { items } = await (await session.client()).call(api.previewRetention, { body: { keepDays: keepOf(flags) } });
      session.out.list(items, previewRow);
    },
  });
}

function deleting(retention: Command): void {
  addVerb(retention, {
    usage: "apply",
    summary: "Makes this the policy and deletes what it says, with a proof in the audit trail",
    flags: [...keepFlags, ["--reason <text>", "why; it stands in the audit trail"]],
    example: 'retention apply --raw 30 --reason "data protection review 2026-11"',
    async run(session, { flags }) {
      const client = await session.client();
      const keepDays = keepOf(flags);
      const { items } = await client.call(api.previewRetention, { body: { keepDays } });
      if (session.options.dryRun) return session.out.list(items, previewRow);
      const rows = items.reduce((sum, each) => sum + each.rows, 0);
      await session.confirm(`This deletes ${rows} rows for good.`);
      const applied = await client.call(api.applyRetention, { body: { keepDays, reason: reasonOf(flags) } });
      session.out.list(applied.deletions, (each) => ({
        id: each.id,
        class: each.class,
        before: each.before,
        rows: each.rows,
        saved: sizeOf(each.bytes),
        sha256: each.sha256,
      }));
    },
  });
}

function holding(retention: Command): void {
  addVerb(retention, {
    usage: "hold <device...>",
    summary: "Pins devices over a window of time: nothing in it is deleted until it is released",
    flags: [
      ["--kind <kind>", "legal or incident", "incident"],
      ["--from <time>", "from this moment on (RFC 3339)"],
      ["--until <time>", "up to this moment (RFC 3339)"],
      ["--reason <text>", "why; it stands in the audit trail"],
    ],
    example: 'retention hold pump-1 pump-2 --from 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z --reason "incident 7"',
    async run(session, given) {
      const { flags } = given;
      const [from, until] = [text(flags, "from"), text(flags, "until")];
      if (from === undefined || until === undefined)
        throw cliProblems.usage("A hold needs its window.", { fix: "Give --from and --until." });
      const kind = text(flags, "kind") === "legal" ? ("legal" as const) : ("incident" as const);
      const body = { kind, from, until, reason: reasonOf(flags), devices: word(given, 0).split(" ") };
      const hold = await (await session.client()).call(api.createHold, { body });
      session.out.one(hold, () => [
        `${hold.id}: nothing of ${hold.devices.length} devices is deleted from ${hold.from} to ${hold.until}.`,
      ]);
    },
  });
  addVerb(retention, {
    usage: "release <hold>",
    summary: "Ends a hold; a legal one is released by somebody else than who set it",
    flags: [["--reason <text>", "why; it stands in the audit trail"]],
    async run(session, given) {
      const hold = await (await session.client()).call(api.releaseHold, {
        params: { id: word(given, 0) },
        body: { reason: reasonOf(given.flags) },
      });
      session.out.one(hold, () => [`${hold.id} is released; the policy applies to it again.`]);
    },
  });
}

function meaning(name: RetentionClass): string {
  return { raw: "points", minute: "cells of a minute", hour: "cells of an hour", events: "events", logs: "log lines" }[name];
}

function keepOf(flags: Flags): Partial<KeepDays> {
  const given = retentionClass.options.flatMap((name) => {
    const days = text(flags, name);
    if (days === undefined) return [];
    if (days !== "ever" && !/^[1-9]\d{0,4}$/.test(days))
      throw cliProblems.usage(`"${days}" is not a number of days.`, { fix: `Give --${name} whole days, or "ever".` });
    return [[name, days === "ever" ? null : Number(days)] as const];
  });
  return Object.fromEntries(given);
}

function reasonOf(flags: Flags): string {
  const reason = text(flags, "reason");
  if (reason === undefined) throw cliProblems.usage("This needs a reason.", { fix: 'Give --reason "…".' });
  return reason;
}

const previewRow = (each: RetentionPreview) => ({
  class: each.class,
  kept: daysOf(each.keepDays),
  before: each.before,
  rows: each.rows,
  saves: sizeOf(each.bytes),
  held: each.heldRows,
});

const daysOf = (days: number | null): string => (days === null ? "for ever" : `${days} d`);

function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const step = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** step).toFixed(1)} ${units[step - 1]}`;
}
