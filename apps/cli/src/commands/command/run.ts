import { setTimeout as pause } from "node:timers/promises";
import { type ApiClient, api, type DeviceCommand } from "@tenfold/contracts";
import type { Command } from "commander";
import type { Session } from "../../context.ts";
import { cliProblems } from "../../exit.ts";
import { addVerb, type Given, text, texts, type Verb, word } from "../../verb.ts";
import { readAssignments, readDeadline } from "./arguments.ts";
import { describeCommand } from "./describe.ts";

const flags: NonNullable<Verb["flags"]> = [
  ["--arg <name=value...>", "an argument; a value that is JSON is that, everything else is text"],
  ["--deadline <time>", "how long the device has; silence past it is `expired`", "5m"],
  ["--reason <text>", "why, for the audit trail", "asked for on the command line"],
  ["--wait", "wait for the end; exit 1 unless every device succeeded"],
];

/** `device run ID NAME`: one command to one device. */
export function deviceRun(device: Command): void {
  addVerb(device, {
    usage: "run <id> <name>",
    summary: "Gives a command to a device",
    flags,
    example: "device run quiet-otter-17 identify --arg seconds=30 --wait",
    run: (session, given) => give(session, given, { device: word(given, 0) }),
  });
}

/** `command run FILTER NAME`: to every active device that the filter lets through. */
export function commandRun(command: Command): void {
  addVerb(command, {
    usage: "run <filter> <name>",
    summary: "Gives a command to every active device that a filter lets through",
    flags,
    example: "command run 'tag:site=berlin' report-now --wait --yes",
    async run(session, given) {
      const filter = word(given, 0);
      if (!session.options.dryRun) {
        const { total } = await (await session.client()).call(api.listDevices, { query: { filter, limit: 1 } });
        await session.confirm(`Give ${word(given, 1)} to ${total} devices?`);
      }
      await give(session, given, { filter });
    },
  });
}

async function give(session: Session, given: Given, to: { device: string } | { filter: string }): Promise<void> {
  const args = readAssignments(texts(given.flags, "arg"));
  const wish = {
    ...to,
    name: word(given, 1),
    args,
    deadline: readDeadline(text(given.flags, "deadline") ?? "5m"),
    reason: text(given.flags, "reason") ?? "asked for on the command line",
  };
  if (session.options.dryRun) return session.out.one({ dryRun: true, ...wish }, () => [`Would give: ${JSON.stringify(wish)}`]);
  const client = await session.client();
  const answer = await client.call(api.giveCommand, { body: wish });
  const [first] = answer.items;
  if (given.flags.wait !== true) {
    session.out.one(answer, () =>
      first && answer.devices === 1
        ? [`${first.id} is on its way to ${first.device}.`, `See: tenfold command show ${first.id}`]
        : [`${answer.devices} commands are on their way.`, `See: tenfold command list --batch ${answer.batch}`],
    );
    return;
  }
  if (first && answer.devices === 1) await followOne(session, client, first);
  else await followMany(session, client, answer.batch);
}

const askEveryMs = 400;

async function followOne(session: Session, client: ApiClient, given: DeviceCommand): Promise<void> {
  let one = given;
  for (let told = ""; one.endedAt === undefined; ) {
    if (told !== one.state) session.out.note(`${one.state}: ${one.because}`);
    told = one.state;
    await pause(askEveryMs);
    one = await client.call(api.getCommand, { params: { id: given.id } });
  }
  session.out.one(one, () => describeCommand(one));
  if (one.state !== "succeeded") throw cliProblems.command_not_done(`${one.name} on ${one.device}: ${one.state}. ${one.because}`);
}

/** The deadline ends every command, and so the waiting. */
async function followMany(session: Session, client: ApiClient, batch: string): Promise<void> {
  let progress = await client.call(api.getCommandBatch, { params: { id: batch } });
  for (let told = -1; progress.pending > 0; ) {
    if (told !== progress.pending) session.out.note(`${progress.devices - progress.pending} of ${progress.devices} ended`);
    told = progress.pending;
    await pause(askEveryMs);
    progress = await client.call(api.getCommandBatch, { params: { id: batch } });
  }
  const ends = Object.entries(progress.counts)
    .map(([state, n]) => `${n} ${state}`)
    .join(", ");
  session.out.one(progress, () => [`${batch}: ${ends}`]);
  if (progress.counts.succeeded !== progress.devices)
    throw cliProblems.command_not_done(`Not every device did it: ${ends}.`, { fix: `See: tenfold command list --batch ${batch}` });
}
