import { api, type DeviceState } from "@tenfold/contracts";
import type { Command } from "commander";
import type { Session } from "../../context.ts";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, type Given, text, type Verb, word } from "../../verb.ts";
import { readAssignments } from "../command/arguments.ts";

export function stateCommands(program: Command): void {
  const state = program.command("state").description("What devices should be, and what they say they are");
  addVerb(state, {
    usage: "show <device>",
    summary: "Desired and reported state, and whether the device has followed",
    async run(session, given) {
      const shown = await (await session.client()).call(api.getDeviceState, { params: { id: word(given, 0) } });
      session.out.one(shown, () => describeState(shown));
    },
  });
  addVerb(state, {
    usage: "history <device>",
    summary: "How the desired state came about, newest first",
    async run(session, given) {
      const { items } = await (await session.client()).call(api.listDesiredChanges, { params: { id: word(given, 0) }, query: {} });
      session.out.list(items, (one) => ({
        generation: one.generation,
        mode: one.mode,
        change: JSON.stringify(one.document),
        when: ago(one.at),
        by: one.by,
        reason: one.reason,
      }));
    },
  });
  addVerb(state, {
    usage: "set <device> <values...>",
    summary: "Changes what a device should be: name=value sets, name=null removes",
    flags: [...flags, ["--expect <generation>", "refuse where somebody else changed it meanwhile"]],
    example: "state set quiet-otter-17 heartbeatS=30 led=null",
    run: setOne,
  });
  addVerb(state, {
    usage: "set-all <filter> <values...>",
    summary: "Changes what every active device that a filter lets through should be: all of them, or none",
    flags,
    example: "state set-all 'tag:site=berlin' mode=eco --yes",
    run: setAll,
  });
}

const flags: NonNullable<Verb["flags"]> = [
  ["--replace", "the values are the whole document"],
  ["--reason <text>", "why, for the audit trail", "asked for on the command line"],
];

async function setOne(session: Session, given: Given): Promise<void> {
  const id = word(given, 0);
  const document = readAssignments(given.rest);
  const expected = text(given.flags, "expect");
  if (expected !== undefined && !/^\d{1,9}$/.test(expected)) throw cliProblems.usage(`"${expected}" is not a generation.`);
  const rest = {
    reason: text(given.flags, "reason") ?? "asked for on the command line",
    ...(expected === undefined ? {} : { expectedGeneration: Number(expected) }),
  };
  if (session.options.dryRun) return session.out.one({ dryRun: true, device: id, document }, () => [`Would change ${id}.`]);
  const client = await session.client();
  const shown =
    given.flags.replace === true
      ? await client.call(api.replaceDesiredState, { params: { id }, body: { state: document, ...rest } })
      : await client.call(api.mergeDesiredState, { params: { id }, body: { patch: document, ...rest } });
  session.out.one(shown, () => describeState(shown));
}

async function setAll(session: Session, given: Given): Promise<void> {
  const filter = word(given, 0);
  const document = readAssignments(given.rest);
  const mode = given.flags.replace === true ? ("replace" as const) : ("merge" as const);
  const client = await session.client();
  const { total } = await client.call(api.listDevices, { query: { filter, limit: 1 } });
  if (session.options.dryRun)
    return session.out.one({ dryRun: true, filter, devices: total, document }, () => [`Would change ${total} devices.`]);
  await session.confirm(`Change the desired state of ${total} devices?`);
  const reason = text(given.flags, "reason") ?? "asked for on the command line";
  const answer = await client.call(api.changeDesiredStates, { body: { filter, mode, document, reason } });
  session.out.one(answer, () => [`${answer.changed} of ${answer.devices} devices have a new desired state.`]);
}

function describeState({ device, desired, reported, convergence }: DeviceState): string[] {
  return facts({
    device,
    state: `${convergence.is.replaceAll("_", " ")}: ${convergence.because}`,
    desired: desired && JSON.stringify(desired.state),
    changed: desired && `${ago(desired.changedAt)} by ${desired.changedBy}: ${desired.reason}`,
    reported: JSON.stringify(reported),
    followed: convergence.appliedAt && ago(convergence.appliedAt),
  });
}
