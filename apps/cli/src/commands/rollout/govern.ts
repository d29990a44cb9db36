import { type Money, moneyWord, readMoney } from "@tenfold/base";
import { api, type RolloutPolicy, type UpdateStatus } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";
import { describeRollout } from "./describe.ts";
import { readPlanFile } from "./plan.ts";

/** Approvals, stored plans, the freeze calendar, pins: what binds rollouts. */
export function rolloutGovern(rollout: Command): void {
  approving(rollout);
  plans(rollout);
  freezes(rollout);
  pins(rollout);
  policy(rollout);
}

function approving(rollout: Command): void {
  addVerb(rollout, {
    usage: "approve <id>",
    summary: "Approves a rollout's plan as it stands now; not by who started it",
    flags: [["--comment <text>", "what you looked at"]],
    async run(session, given) {
      const client = await session.client();
      const params = { id: word(given, 0) };
      const seen = await client.call(api.getRollout, { params });
      session.out.note(describeRollout(seen).join("\n"));
      await session.confirm(`Approve this plan for ${seen.targets} devices?`);
      const comment = text(given.flags, "comment");
      const body = { planHash: seen.planHash, ...(comment === undefined ? {} : { comment }) };
      const approved = await client.call(api.approveRollout, { params, body });
      session.out.one(approved, () => describeRollout(approved));
    },
  });
  addVerb(rollout, {
    usage: "cancel <id>",
    summary: "Ends a rollout without a way back: devices on their way stop, those that took the release keep it",
    flags: [["--reason <text>", "why, for the audit trail", "cancelled on the command line"]],
    async run(session, given) {
      const id = word(given, 0);
      await session.confirm(`Cancel ${id}? Devices that took the release keep it.`);
      const body = { reason: text(given.flags, "reason") ?? "cancelled" };
      const cancelled = await (await session.client()).call(api.cancelRollout, { params: { id }, body });
      session.out.one(cancelled, () => describeRollout(cancelled));
    },
  });
  addVerb(rollout, {
    usage: "override-freeze <id>",
    summary: "Lets one rollout go on during a freeze, in an emergency; audited",
    flags: [["--reason <text>", "why"]],
    async run(session, given) {
      const reason = needed(text(given.flags, "reason"), "--reason");
      const id = word(given, 0);
      await session.confirm(`Let ${id} go on although the fleet is frozen?`);
      const changed = await (await session.client()).call(api.overrideFreeze, { params: { id }, body: { reason } });
      session.out.one(changed, () => describeRollout(changed));
    },
  });
}

function plans(rollout: Command): void {
  addVerb(rollout, {
    usage: "plans",
    summary: "Plans that can be started by name",
    async run(session) {
      const { items } = await (await session.client()).call(api.listRolloutPlans, {});
      session.out.list(items, ({ name, builtIn, note }) => ({ name, of: builtIn ? "built in" : "yours", note }));
    },
  });
  addVerb(rollout, {
    usage: "save-plan <name> <file>",
    summary: "Stores a plan from a JSON file under a name",
    flags: [["--note <text>", "what it is for"]],
    async run(session, given) {
      const [name, file] = [word(given, 0), word(given, 1)];
      const body = { note: text(given.flags, "note") ?? "", plan: readPlanFile(file) };
      const saved = await (await session.client()).call(api.saveRolloutPlan, { params: { name }, body });
      session.out.one(saved, () => [`Stored. Start it: tenfold rollout start RELEASE --plan ${name}`]);
    },
  });
  addVerb(rollout, {
    usage: "delete-plan <name>",
    summary: "Removes a stored plan",
    async run(session, given) {
      const gone = await (await session.client()).call(api.deleteRolloutPlan, { params: { name: word(given, 0) } });
      session.out.one(gone, () => ["Removed."]);
    },
  });
}

function freezes(rollout: Command): void {
  addVerb(rollout, {
    usage: "freezes",
    summary: "The freeze calendar, newest first",
    async run(session) {
      const { items } = await (await session.client()).call(api.listFreezes, {});
      session.out.list(items, ({ id, from, to, reason, removedAt }) => ({
        id,
        from,
        to,
        reason,
        removed: removedAt ? ago(removedAt) : "",
      }));
    },
  });
  addVerb(rollout, {
    usage: "freeze",
    summary: "Freezes the fleet for a time: no update is offered; devices on their way go on",
    flags: [
      ["--from <time>", "RFC 3339; now where left out"],
      ["--to <time>", "RFC 3339"],
      ["--reason <text>", "why"],
    ],
    example: "rollout freeze --from 2026-12-20T00:00:00Z --to 2027-01-02T00:00:00Z --reason 'season'",
    async run(session, { flags }) {
      const body = {
        from: text(flags, "from") ?? new Date().toISOString(),
        to: needed(text(flags, "to"), "--to"),
        reason: needed(text(flags, "reason"), "--reason"),
      };
      const added = await (await session.client()).call(api.addFreeze, { body });
      session.out.one(added, () => [`${added.id}: no update is offered from ${added.from} to ${added.to}.`]);
    },
  });
  addVerb(rollout, {
    usage: "unfreeze <id>",
    summary: "Takes a freeze out of the calendar",
    async run(session, given) {
      const removed = await (await session.client()).call(api.removeFreeze, { params: { id: word(given, 0) } });
      session.out.one(removed, () => [`${removed.id} holds no more.`]);
    },
  });
}

function pins(rollout: Command): void {
  addVerb(rollout, {
    usage: "pins",
    summary: "Pins and exclusions, newest first",
    async run(session) {
      const { items } = await (await session.client()).call(api.listUpdatePins, {});
      session.out.list(items, ({ id, filter, version, reason, expiresAt, liftedAt }) => ({
        ...{ id, filter, stays: version ?? "no update at all", reason, until: expiresAt ?? "lifted" },
        lifted: liftedAt ? ago(liftedAt) : "",
      }));
    },
  });
  addVerb(rollout, {
    usage: "pin <filter>",
    summary: "Pins devices to a version; without one, excludes them from updates",
    flags: [
      ["--to <version>", "the only version that they may be offered"],
      ["--reason <text>", "why"],
      ["--until <time>", "RFC 3339; until lifted where left out"],
    ],
    example: "rollout pin 'group:lab' --reason 'measurements until Friday' --until 2026-12-04T17:00:00Z",
    async run(session, given) {
      const [version, expiresAt] = [text(given.flags, "to"), text(given.flags, "until")];
      const body = {
        filter: word(given, 0),
        reason: needed(text(given.flags, "reason"), "--reason"),
        ...(version === undefined ? {} : { version }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      const pin = await (await session.client()).call(api.addUpdatePin, { body });
      session.out.one(pin, () => [`${pin.id}: ${pin.filter} ${version ? `stays on ${version}` : "gets no update"}.`]);
    },
  });
  addVerb(rollout, {
    usage: "unpin <id>",
    summary: "Lifts a pin or an exclusion",
    async run(session, given) {
      const lifted = await (await session.client()).call(api.liftUpdatePin, { params: { id: word(given, 0) } });
      session.out.one(lifted, () => [`${lifted.id} holds no more.`]);
    },
  });
}

function policy(rollout: Command): void {
  addVerb(rollout, {
    usage: "policy",
    summary: "What binds every rollout of the fleet; the flags change it",
    flags: [
      ["--at-once <n>", "devices that update at the same time in all rollouts together; 0 for no bound"],
      ["--approvals <n>", "how many people must approve every rollout"],
      ["--price-per-gb <money>", 'what sending a gigabyte to a device costs, for dry runs: "4.50 EUR"; none to forget it'],
    ],
    async run(session, { flags }) {
      const client = await session.client();
      const known = await client.call(api.getRolloutPolicy, {});
      const changed = changedPolicy(known, flags);
      const shown = changed === known ? known : await client.call(api.setRolloutPolicy, { body: changed });
      session.out.one(shown, () => policyFacts(shown));
    },
  });
}

/** What the flags make of a policy; the same object where they say nothing. */
function changedPolicy(known: RolloutPolicy, flags: Flags): RolloutPolicy {
  const [atOnce, approvals, price] = [text(flags, "atOnce"), text(flags, "approvals"), priceGiven(text(flags, "pricePerGb"))];
  if (atOnce === undefined && approvals === undefined && price === undefined) return known;
  const { atOnce: bound, pricePerGb: paid, ...others } = known;
  const wanted = atOnce === undefined ? bound : Number(atOnce);
  const pricePerGb = price === undefined ? paid : price;
  return {
    ...others,
    ...(wanted ? { atOnce: wanted } : {}),
    ...(pricePerGb === undefined || pricePerGb === "none" ? {} : { pricePerGb }),
    ...(approvals === undefined ? {} : { approvals: Number(approvals) }),
  };
}

const policyFacts = ({ atOnce, approvals, windows, pricePerGb }: RolloutPolicy): string[] =>
  facts({
    "at once": atOnce ?? "no bound",
    approvals,
    windows: windows.map(({ from, to, zone, tag }) => `${from}-${to} ${zone}${tag ? ` (${tag})` : ""}`).join("; ") || "any time",
    "price per GB": pricePerGb && moneyWord(pricePerGb),
  });

function priceGiven(given: string | undefined): Money | "none" | undefined {
  if (given === undefined || given === "none") return given;
  const price = readMoney(given);
  if (price !== undefined) return price;
  throw cliProblems.usage(`--price-per-gb: "${given}" is no amount of money.`, { fix: 'Write "4.50 EUR", or none.' });
}

function needed(given: string | undefined, flag: string): string {
  if (given !== undefined) return given;
  throw cliProblems.usage(`${flag} is missing.`);
}

/** `tenfold device why ID` and `tenfold rollout why ID`: why a device is not updated. */
export function addWhy(noun: Command): void {
  addVerb(noun, {
    usage: "why <device>",
    summary: "Why a device is not updated, as the engine sees it now",
    flags: [["--rollout <id>", "only how it stands to this rollout"]],
    async run(session, given) {
      const rollout = text(given.flags, "rollout");
      const status = await (await session.client()).call(api.getUpdateStatus, {
        params: { id: word(given, 0) },
        query: rollout === undefined ? {} : { rollout },
      });
      session.out.one(status, () => describeStatus(status));
    },
  });
}

function describeStatus({ device, version, code, because, until, fix, rollouts }: UpdateStatus): string[] {
  return [
    ...facts({ device, runs: version, why: `${because} (${code})`, until, "what to do": fix }),
    ...rollouts.map(
      (one) => `  ${one.rollout} to ${one.version}: ${one.because} (${one.code})${one.until ? ` until ${one.until}` : ""}`,
    ),
  ];
}
