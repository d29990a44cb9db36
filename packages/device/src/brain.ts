import { hash32 } from "@tenfold/base";
import { commandDocument, desiredDocument, identityNotice, type NextDeployment, nextDeployment } from "@tenfold/contracts";
import { fullJitter } from "./backoff.ts";
import type { Body, Link } from "./body.ts";
import { hearCommand, hearDesired, settleCommands } from "./commands.ts";
import { hear, needsCheck, settle } from "./deployments.ts";
import { hearNotice, offsetTo, provenOffset, trustInterval } from "./identity.ts";
import { freshMemory } from "./memory.ts";
import { topics } from "./messages.ts";
import { beginTrust } from "./metadata.ts";
import type { Mind, Note } from "./mind.ts";
import { nextStep } from "./next-step.ts";
import { perform } from "./perform.ts";
import { type DeviceConfig, freshSession, type Picture, type Session, withSettings } from "./picture.ts";

/** What the driver does with a brain that has nothing more to do. */
export type Rest = { is: "wait"; untilMono: number } | { is: "reboot" };

export type BrainDeps = {
  body: Body;
  config: DeviceConfig;
  /** Numbers in [0, 1) for jitter. */
  chance: () => number;
  /** Called when something was heard: the driver should wake the brain now. */
  onStir?: () => void;
  note?: Note;
};

export type Brain = {
  /** Takes steps until there is nothing to do, and says when to wake it again. Calls do not overlap: a second one joins the first. */
  wake(): Promise<Rest>;
  readonly picture: () => Picture;
  readonly link: () => Link | undefined;
  /** Closes the link and takes no further step; the memory stays as it is. */
  stop(): Promise<void>;
};

/** A device's brain in its body, from one start of the device to the next. */
export async function createBrain(deps: BrainDeps): Promise<Brain> {
  const mind = await awaken(deps);
  let awake: Promise<Rest> | undefined;
  return {
    wake() {
      awake ??= think(mind).finally(() => {
        awake = undefined;
      });
      return awake;
    },
    picture: () => mind.picture(),
    link: () => mind.link,
    async stop() {
      mind.stopped = true;
      const { link } = mind;
      // Forgotten first: a link that is closed on purpose is not one that went down.
      mind.link = undefined;
      mind.session.link = "down";
      await mind.artifact?.close();
      await link?.close();
    },
  };
}

async function awaken({ body, config, chance, onStir, note = () => {} }: BrainDeps): Promise<Mind> {
  const memory = (await body.loadMemory()) ?? freshMemory();
  const session = freshSession(memory, { mono: body.clock.mono(), device: config.device });
  session.clockOffset = provenOffset(memory.certificate, body.clock.now(), "kept");
  const mind: Mind = {
    body,
    config,
    session,
    note,
    memory,
    trust: (await body.metadata?.load()) ?? (body.metadata && config.roots ? beginTrust(config.roots) : undefined),
    boot: await body.loadBoot(),
    stopped: false,
    link: undefined,
    artifact: undefined,
    picture: () => ({
      config: withSettings(config, mind.memory),
      memory: mind.memory,
      trust: mind.trust,
      asksMetadata: body.metadata !== undefined,
      boot: mind.boot,
      running: body.running,
      session,
      now: body.clock.now(),
      mono: body.clock.mono(),
    }),
    async remember(next) {
      await body.saveMemory(next);
      mind.memory = next;
    },
    later(retry, baseMs = 0) {
      const { retryBaseMs, retryCapMs } = config;
      const spread = { baseMs: Math.max(baseMs, retryBaseMs), capMs: Math.max(baseMs, retryCapMs) };
      retry.at = body.clock.mono() + fullJitter(retry.failures, chance(), spread);
      retry.failures += 1;
    },
    openLink: () => openLink(mind, onStir ?? (() => {})),
  };
  return mind;
}

async function openLink(mind: Mind, stir: () => void): Promise<void> {
  const { session } = mind;
  let open = true;
  let link: Link | undefined;
  link = await mind.body.connect({
    onMessage(topic, payload) {
      if (take(mind, topic, payload)) stir();
    },
    onDown(because) {
      open = false;
      if (link === undefined || mind.link !== link) return;
      mind.link = undefined;
      session.link = "down";
      mind.later(session.connecting, session.reconnectWithin);
      mind.note("link.down", { because });
      stir();
    },
  });
  if (!open) return mind.later(session.connecting);
  if (mind.stopped) return link.close();
  mind.link = link;
  session.link = "up";
  session.connecting = { failures: 0, at: session.connecting.at };
  session.reconnectWithin = (link.reconnectWithinS ?? 0) * 1_000;
  // A new link begins with a sign of life: it tells the platform what runs here.
  session.heartbeatDueAt = mind.body.clock.mono();
  mind.note("link.up");
}

/** Commands that may wait to be taken in; more are sent again. */
const mostHeard = 64;

/** Reads what came down; false where it is nothing for this device. */
function take({ config, session, note, body }: Mind, topic: string, payload: string): boolean {
  const name = topics(config.device);
  const document = parseJson(payload);
  const unreadable = (event: string, because: string | undefined): false => {
    note(event, { because });
    return false;
  };
  if (topic === name.next) {
    const read = nextDeployment.safeParse(document);
    if (!read.success) return unreadable("deployment.unreadable", read.error.issues[0]?.message);
    hearNext(session, read.data, body.clock.mono());
  } else if (topic === name.desired) {
    const read = desiredDocument.safeParse(document);
    if (!read.success) return unreadable("state.unreadable", read.error.issues[0]?.message);
    session.heardDesired = read.data;
  } else if (topic === name.identity) {
    const read = identityNotice.safeParse(document);
    if (!read.success) return unreadable("identity.unreadable", read.error.issues[0]?.message);
    session.heardNotice = read.data;
  } else if (topic.startsWith(name.command(""))) {
    const read = commandDocument.safeParse(document);
    if (!read.success) return unreadable("command.unreadable", read.error.issues[0]?.message);
    if (session.heardCommands.length >= mostHeard) return false;
    session.heardCommands.push(read.data);
  } else return false;
  return true;
}

async function think(mind: Mind): Promise<Rest> {
  for (;;) {
    if (mind.stopped) return { is: "wait", untilMono: Number.POSITIVE_INFINITY };
    await takeIn(mind);
    const step = nextStep(mind.picture());
    if (step.do === "wait") return { is: "wait", untilMono: step.untilMono };
    if (step.do === "reboot") {
      mind.note("reboot");
      return { is: "reboot" };
    }
    await perform(mind, step);
  }
}

/** First what the boot loader did, then what the platform said: each is in the memory before anything is done about it. */
async function takeIn(mind: Mind): Promise<void> {
  const settled = settle(mind.picture());
  if (settled !== mind.memory) {
    await mind.remember(settled);
    const end = settled.ended.at(-1)?.report;
    if (end?.state === "rolled_back" && !settled.update) mind.note("firmware.fell_back", { because: end.reason });
  }
  await takeInNotice(mind);
  await takeInWishes(mind);
  const { heard } = mind.session;
  if (heard === undefined) return;
  const taken = hear(mind.picture(), heard);
  if (taken !== mind.memory) {
    // Another deployment's bytes must not go into the slot that this one writes.
    if (mind.artifact && taken.update?.deployment !== mind.memory.update?.deployment) await mind.artifact.close();
    await mind.remember(taken);
    mind.note(`deployment.${heard.is}`, heard.is === "none" ? {} : { deployment: heard.deployment });
  }
  // An offer that must wait for the end of a trial is kept; the platform says it again on every connection anyway.
  const held = heard.is === "offer" && (mind.boot.trial !== undefined || needsCheck(mind.picture()));
  if (!held && mind.session.heard === heard) mind.session.heard = undefined;
}

/** The time of an offer is that of its first word, however often it is said again. */
function hearNext(session: Session, heard: NextDeployment, mono: number): void {
  const before = session.heard;
  const again = before?.is === "offer" && heard.is === "offer" && before.deployment === heard.deployment;
  if (!again) session.heardAt = mono;
  session.heard = heard;
}

/** Whom to believe, when to renew, and what time it is. */
async function takeInNotice(mind: Mind): Promise<void> {
  const { session, body, config } = mind;
  const { heardNotice: notice } = session;
  if (notice === undefined) return;
  const [clock, mono] = [body.clock.now(), body.clock.mono()];
  session.clockOffset = offsetTo(Date.parse(notice.time), clock);
  const { memory, refreshInMs } = hearNotice(mind.memory, notice, {
    believed: body.vitals().trust?.roots ?? [],
    now: clock + session.clockOffset,
    chance: hash32(`${config.device}:${notice.trust.generation}`) / 2 ** 32,
  });
  if (memory !== mind.memory) await mind.remember(memory);
  session.trustDueAt = mono + (refreshInMs ?? trustInterval(config.device));
  session.notice = notice;
  if (session.heardNotice === notice) session.heardNotice = undefined;
}

/** Commands and the desired state, in one save; what was begun before is answered for first. */
async function takeInWishes(mind: Mind): Promise<void> {
  const { session } = mind;
  const [commands, desired] = [[...session.heardCommands], session.heardDesired];
  let memory = settleCommands(mind.picture());
  for (const command of commands) memory = hearCommand({ ...mind.picture(), memory }, command);
  if (desired) memory = hearDesired(memory, desired);
  if (memory !== mind.memory) await mind.remember(memory);
  // Others may have been heard while this was saved.
  session.heardCommands = session.heardCommands.slice(commands.length);
  if (session.heardDesired === desired) session.heardDesired = undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
