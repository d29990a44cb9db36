import type { AppliedDesired, CommandDocument, CommandResult, DesiredDocument } from "@tenfold/contracts";
import { z } from "zod";
import type { Memory, RememberedCommand, Settings } from "./memory.ts";
import type { Picture } from "./picture.ts";

/** Commands that a device remembers, so that it does none twice: twice as many as the platform lets wait for it [C10]. */
export const rememberedCommands = 64;

const seconds = z.number().min(1).max(86_400);
const nothing = z.strictObject({});
const identifyArgs = z.strictObject({ seconds: seconds.default(10) });
const intervalArgs = z
  .strictObject({ heartbeatS: seconds.optional(), telemetryS: seconds.optional() })
  .refine(({ heartbeatS, telemetryS }) => heartbeatS !== undefined || telemetryS !== undefined, "Give heartbeatS or telemetryS.");

/** What a command comes to, once it may be done. */
export type Act =
  | { do: "reboot" }
  | { do: "identify"; seconds: number }
  | { do: "report_now" }
  | { do: "attest" }
  | { do: "set_interval"; settings: Settings };

/** [C6] The closed list of what every brain knows. What stands in a body (`identify`, `attest`) may be missing there. */
const readers: Readonly<Record<string, (args: CommandDocument["args"]) => Act>> = {
  reboot: (args) => {
    nothing.parse(args);
    return { do: "reboot" };
  },
  identify: (args) => ({ do: "identify", ...identifyArgs.parse(args) }),
  attest: (args) => {
    nothing.parse(args);
    return { do: "attest" };
  },
  "report-now": (args) => {
    nothing.parse(args);
    return { do: "report_now" };
  },
  "set-interval": (args) => ({ do: "set_interval", settings: settingsOf(intervalArgs.parse(args)) }),
};

const settingsOf = ({ heartbeatS, telemetryS }: z.infer<typeof intervalArgs>): Settings => ({
  ...(heartbeatS === undefined ? {} : { heartbeatMs: heartbeatS * 1_000 }),
  ...(telemetryS === undefined ? {} : { telemetryMs: telemetryS * 1_000 }),
});

/**
 * What the memory becomes by a command that was heard. Pure, and safe to hear again: one that waits changes nothing, one that ended is told
 * once more. One that this device may have done and forgotten is refused, never done [C10].
 */
export function hearCommand({ memory, now }: Picture, { command, name, args, deadlineS }: CommandDocument): Memory {
  const known = memory.commands.find((one) => one.command === command);
  if (known) {
    if (known.result === undefined || !known.told) return memory;
    return withCommand(memory, { ...known, told: false });
  }
  // Everything remembered waits or is owed: the platform sends this one again.
  if (memory.commands.length >= rememberedCommands && !memory.commands.some(({ told }) => told)) return memory;
  const heard: RememberedCommand = { command, name, args, deadlineAt: now + deadlineS * 1_000, told: false };
  const forgotten = memory.forgotten !== undefined && command <= memory.forgotten;
  const stale: CommandResult = { status: "refused", code: "stale", detail: "It may have been done long ago." };
  return bounded({ ...memory, commands: [...memory.commands, forgotten ? { ...heard, result: stale } : heard] });
}

/** Whether a command may be done now, and what it then comes to. */
export function judgeCommand(
  { memory, boot, now }: Picture,
  { name, args, deadlineAt }: RememberedCommand,
): { is: "refuse"; result: CommandResult } | { is: "run"; act: Act } {
  const refuse = (code: string, detail: string) => ({ is: "refuse", result: { status: "refused", code, detail } }) as const;
  if (now > deadlineAt) return refuse("deadline_passed", "The device got to it after its deadline.");
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (read === undefined) return refuse("command_unknown", `This device knows: ${Object.keys(readers).toSorted().join(", ")}.`);
  const act = readAct(read, args);
  if ("wrong" in act) return refuse("arguments_invalid", act.wrong);
  const inTrial = boot.trial !== undefined || memory.update?.stage === "rebooting" || memory.update?.stage === "validating";
  // A restart now would count as one of the new firmware's failed starts.
  if (act.do === "reboot" && inTrial) return refuse("busy", "New firmware is on trial.");
  return { is: "run", act };
}

function readAct(read: (args: CommandDocument["args"]) => Act, args: CommandDocument["args"]): Act | { wrong: string } {
  try {
    return read(args);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    return { wrong: `${issue?.path.join(".") || "args"}: ${issue?.message ?? "cannot be read"}`.slice(0, 300) };
  }
}

/** [C9] It is written down before it is done: whatever happens from here on, it is not done again. */
export const startCommand = (memory: Memory, one: RememberedCommand, bootId: string): Memory =>
  withCommand(memory, { ...one, startedIn: bootId });

export const endCommand = (memory: Memory, one: RememberedCommand, result: CommandResult): Memory =>
  withCommand(memory, { ...one, result, told: false });

export const toldCommand = (memory: Memory, command: string): Memory =>
  bounded({
    ...memory,
    commands: memory.commands.map((one) => (one.command === command && one.result ? { ...one, told: true } : one)),
  });

/** The command that is to be done next: the oldest that waits. */
export const waitingCommand = ({ commands }: Memory): RememberedCommand | undefined =>
  commands.find(({ startedIn, result }) => startedIn === undefined && result === undefined);

/** A reboot that was begun in this start of the device, and has not happened. */
export const rebootUnderWay = ({ memory, running }: Picture): boolean =>
  memory.commands.some((one) => one.name === "reboot" && one.startedIn === running.bootId && one.result === undefined);

/**
 * What the memory becomes by a start of the device, or by an act that broke off: what was begun and has no result is answered for. Pure; the
 * same object where nothing changed. Never called while an act is under way.
 */
export function settleCommands(picture: Picture): Memory {
  const { memory, running } = picture;
  const begun = memory.commands.filter(
    ({ name, startedIn, result }) =>
      startedIn !== undefined && result === undefined && !(name === "reboot" && startedIn === running.bootId),
  );
  return begun.reduce((settled, one) => endCommand(settled, one, one.name === "reboot" ? rebooted : interrupted), memory);
}

const rebooted: CommandResult = { status: "succeeded", detail: "The device has started anew." };
const interrupted: CommandResult = {
  status: "failed",
  code: "interrupted",
  detail: "The device stopped while it did it; it is not done again.",
};

/** What a desired state may hold for this brain [C18]. */
const desiredKeys: Readonly<Record<string, (value: unknown) => Settings | undefined>> = {
  heartbeatS: (value) => (seconds.safeParse(value).success ? { heartbeatMs: Number(value) * 1_000 } : undefined),
  telemetryS: (value) => (seconds.safeParse(value).success ? { telemetryMs: Number(value) * 1_000 } : undefined),
};

/** What the memory becomes by a desired state. An older one than the device follows changes nothing, but that it is told again what it follows. */
export function hearDesired(memory: Memory, { generation, state }: DesiredDocument): Memory {
  const { desired } = memory;
  if (desired && generation <= desired.generation)
    return desired.told ? { ...memory, desired: { ...desired, told: false } } : memory;
  const read = Object.entries(state).map(([key, value]) => ({
    key,
    settings: Object.hasOwn(desiredKeys, key) ? desiredKeys[key]?.(value) : undefined,
  }));
  const refused = read.filter(({ settings }) => settings === undefined).map(({ key }) => key.slice(0, 200));
  const settings = Object.assign({}, ...read.map((one) => one.settings ?? {})) as Settings; // each is one
  return { ...memory, settings, desired: { generation, refused: refused.slice(0, 100), told: false } };
}

/** What the device says about it (topic `state/reported`). */
export function reportedOf({ config }: Picture, { generation, refused }: AppliedDesired): Record<string, unknown> {
  return {
    desired: { generation, refused },
    heartbeatS: config.heartbeatMs / 1_000,
    telemetryS: config.telemetryMs / 1_000,
  };
}

const withCommand = (memory: Memory, changed: RememberedCommand): Memory => ({
  ...memory,
  commands: memory.commands.map((one) => (one.command === changed.command ? changed : one)),
});

/** Forgets the oldest that the platform knows the end of, and keeps how far it forgot: ids sort by age. */
function bounded(memory: Memory): Memory {
  if (memory.commands.length <= rememberedCommands) return memory;
  const oldest = memory.commands
    .filter(({ told }) => told)
    .map(({ command }) => command)
    .toSorted()[0];
  if (oldest === undefined) return memory;
  const forgotten = memory.forgotten !== undefined && memory.forgotten > oldest ? memory.forgotten : oldest;
  return { ...memory, forgotten, commands: memory.commands.filter(({ command }) => command !== oldest) };
}
