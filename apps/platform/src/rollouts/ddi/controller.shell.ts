import { seconds } from "@tenfold/base";
import type { DeploymentReport } from "@tenfold/contracts";
import {
  type Action,
  type Agenda,
  agendaOf,
  type Current,
  isBootAfter,
  unprovable,
  type Visit,
  wantsAttributes,
} from "./agenda.ts";
import { bootNameOf, type ConfigData, mergeAttributes, patchOf, seeStart, type Told, toldIn } from "./attributes.ts";
import type { DdiDeps } from "./deps.ts";
import { ddiProblems } from "./errors.ts";
import { type Answer, answerToCancel, answerToDeployment, type Feedback, type Known } from "./feedback.ts";
import {
  closeAction,
  type Device,
  findAction,
  lockTeller,
  markAsked,
  markFetched,
  noteStatus,
  openAction,
  readVisit,
  refuseCancel,
  writeTeller,
} from "./store.ts";

/** [DDI 5.5] As many as hawkBit keeps of one action. */
const mostStatuses = 1_000;

/** How long a device that polls is counted as reachable: until its next poll, and half of the interval or 30 s more. */
export const leaseOf = (pollMs: number): number => Math.round(pollMs * 1.1) + Math.max(30_000, pollMs / 2);

export type PollResult = { agenda: Agenda; attributes: "ask" | "known" };

/** Looks at what is there for the device, and brings the tables where they must be before it hears of it. */
export async function poll(deps: DdiDeps, of: Device): Promise<PollResult> {
  const { db, clock, pollMs } = deps;
  const visit = await readVisit(db, of);
  const agenda = await settle(deps, of, visit);
  const ask = wantsAttributes(visit, clock.now(), pollMs);
  if (ask) await markAsked(db, of, clock.now());
  return { agenda, attributes: ask ? "ask" : "known" };
}

async function settle(deps: DdiDeps, of: Device, visit: Visit): Promise<Agenda> {
  const agenda = agendaOf(visit, deps.clock.now());
  if (agenda.is === "withdraw") {
    await report(deps, of, agenda.current.deployment, { state: "cancelled", reason: "rollout_halted" });
    return { is: "nothing" };
  }
  return agenda.is === "open" ? open(deps, of, visit, agenda.current) : agenda;
}

/**
 * [DDI 8.5] A device whose version nobody knows could never be verified: it gets a polling interval to tell, and is left out if it does not.
 */
async function open(deps: DdiDeps, of: Device, { teller }: Visit, { deployment }: Current): Promise<Agenda> {
  const { db, clock, pollMs, registry } = deps;
  const [picture] = await registry.pictures(of.scope, [of.device]);
  if (picture?.firmware === undefined) {
    if (unprovable(teller, clock.now(), pollMs) === "give_up")
      await report(deps, of, deployment, {
        state: "skipped",
        detail: "It tells no version (configData firmware_version), so that no boot of it could be verified.",
      });
    return { is: "nothing" };
  }
  await openAction(db, of, { deployment, at: clock.now() });
  return agendaOf(await readVisit(db, of), clock.now());
}

/** The action that the device may work on now, or 404: cancelled, closed, another device's. */
export async function actionAtWork(deps: DdiDeps, of: Device, action: number): Promise<{ action: Action; visit: Visit }> {
  const visit = await readVisit(deps.db, of);
  const agenda = agendaOf(visit, deps.clock.now());
  if (agenda.is === "deploy" && agenda.action.action === action) return { action: agenda.action, visit };
  throw unknownAction(action);
}

/** The action that the device is to cancel, or 404. */
export async function actionToCancel(deps: DdiDeps, of: Device, action: number): Promise<Action> {
  const agenda = agendaOf(await readVisit(deps.db, of), deps.clock.now());
  if (agenda.is === "cancel" && agenda.action.action === action) return agenda.action;
  throw unknownAction(action);
}

/** An action of this device, with the visit that it was found in. Most ask for the newest, which the visit has already. */
export async function ownAction(deps: DdiDeps, of: Device, action: number): Promise<{ action: Action; visit: Visit }> {
  const visit = await readVisit(deps.db, of);
  const found = visit.action?.action === action ? visit.action : await findAction(deps.db, of, action);
  if (found === undefined) throw unknownAction(action);
  return { action: found, visit };
}

/** An action whose bytes the device may have [DDI 4.5]: it is to be installed, or known to run. */
export async function fetchableAction(deps: DdiDeps, of: Device, number: number): Promise<{ action: Action; visit: Visit }> {
  const { action, visit } = await ownAction(deps, of, number);
  const agenda = agendaOf(visit, deps.clock.now());
  if (action.state !== "succeeded" && !(agenda.is === "deploy" && agenda.action.action === number)) throw unknownAction(number);
  return { action, visit };
}

const unknownAction = (action: number) => ddiProblems.ddi_action_unknown(`There is no action ${action} for this device now.`);

export type About = { action: number; feedback: Feedback; on: "deployment" | "cancel" };

/**
 * Takes a feedback in. The rollout hears first and the action is closed second: a device whose answer was lost says it again, and the
 * rollout hears everything twice without harm.
 */
export async function takeFeedback(deps: DdiDeps, of: Device, { action: number, feedback, on }: About): Promise<void> {
  const { db, clock } = deps;
  const { action, visit } = await ownAction(deps, of, number);
  const answer =
    on === "cancel" ? answerToCancel(feedback) : answerToDeployment(feedback, await knownOf(deps, of, { action, visit, feedback }));
  if (answer.closes === undefined) assertOpen(action);
  if (answer.report) await report(deps, of, action.deployment, answer.report);
  await noteStatus(db, number, feedback.details);
  await recordAnswer(deps, number, answer);
  if (answer.closes !== undefined || answer.refusesCancel)
    deps.log.info("ddi.action_answered", {
      device: of.device,
      action: number,
      on,
      as: answer.closes ?? "cancel_refused",
      at: clock.now(),
    });
}

async function recordAnswer({ db, clock }: DdiDeps, action: number, { closes, refusesCancel }: Answer): Promise<void> {
  const at = clock.now();
  if (closes !== undefined) await closeAction(db, action, { as: closes, at });
  if (refusesCancel) await refuseCancel(db, action, at);
}

/** [DDI 5.4] What closes is always taken, because it may come again; what only tells of progress is not, once nothing goes on any more. */
function assertOpen({ action, closedAt, statuses }: Action): void {
  if (closedAt !== undefined) throw ddiProblems.ddi_action_closed(`Action ${action} is closed.`);
  if (statuses >= mostStatuses)
    throw ddiProblems.ddi_too_many_statuses(`Action ${action} has ${mostStatuses} statuses already.`, { retryAfterS: 60 });
}

type Answered = { action: Action; visit: Visit; feedback: Feedback };

async function knownOf(deps: DdiDeps, of: Device, { action, visit, feedback }: Answered): Promise<Known> {
  const { starts, version } = visit.teller;
  const beganAnew = action.fetchedStart !== undefined && starts > action.fetchedStart;
  const saysInstalled = feedback.execution === "closed" && feedback.finished !== "failure";
  // A client that does not tell its attributes anew when it starts: its device's heartbeats may have told of a boot since.
  const told = beganAnew ? version : saysInstalled ? await beatAfterFetch(deps, of, action) : undefined;
  return {
    version: action.version,
    halted: agendaOf(visit, deps.clock.now()).is === "cancel",
    ...(told === undefined ? {} : { toldAfterInstall: told }),
  };
}

/** The version of a boot that heartbeats told of and that began after the last fetch; undefined where there is none. */
async function beatAfterFetch({ registry }: DdiDeps, { scope, device }: Device, action: Action): Promise<string | undefined> {
  if (action.fetchedBoot === undefined) return undefined;
  const [picture] = await registry.pictures(scope, [device]);
  return picture && isBootAfter(action, picture) ? picture.firmware?.version : undefined;
}

async function report(
  { rollouts, clock }: DdiDeps,
  { scope, device }: Device,
  deployment: string,
  said: DeploymentReport,
): Promise<void> {
  await rollouts.observeReports([{ device, scope, deployment, report: said, at: clock.now() }]);
}

/** Takes in what a device tells of itself: its attributes, and with them what runs on it now. */
export async function takeAttributes(deps: DdiDeps, of: Device, told: ConfigData): Promise<void> {
  const { db, clock, registry } = deps;
  const at = clock.now();
  const said = toldIn(told);
  const { before, after, boot } = await db.transaction().execute(async (tx) => {
    const teller = await lockTeller(tx, of);
    const attributes = mergeAttributes(teller.attributes, told);
    if (attributes === undefined) throw ddiProblems.ddi_too_many_attributes("A device has at most 100 attributes.");
    const asked = teller.askedAt !== undefined && (teller.toldAt === undefined || teller.askedAt > teller.toldAt);
    const seen = seeStart(teller, said, asked ? "asked" : "unasked");
    await writeTeller(tx, of, { attributes, seen, at });
    return { before: teller, after: attributes, boot: bootNameOf(seen) };
  });
  await registry.recordReported([{ device: of.device, at, patch: { attributes: patchOf(before.attributes, after) } }]);
  if (said.version !== undefined && (await isJudgedByAttributes(deps, of, { before: bootNameOf(before), said })))
    await observeBoot(deps, of, { ...said, version: said.version, boot, at });
}

/** [DDI 8.4] A device that sends heartbeats of its own is judged by those, unless its attributes name the boot as well. */
async function isJudgedByAttributes(
  { registry }: DdiDeps,
  { scope, device }: Device,
  { before, said }: { before: string; said: Told },
): Promise<boolean> {
  if (said.bootId !== undefined) return true;
  const [picture] = await registry.pictures(scope, [device]);
  return picture?.bootId === undefined || picture.bootId === before;
}

type Boot = Pick<Told, "model" | "hardwareRevision"> & { version: string; boot: string; at: number };

/** What runs, as the registry and the rollouts know it from heartbeats. The only way to success. */
async function observeBoot(deps: DdiDeps, of: Device, { version, boot, at, model, hardwareRevision }: Boot): Promise<void> {
  const { registry, rollouts, db, pollMs } = deps;
  const { device, scope } = of;
  const heartbeat = {
    seq: 0,
    bootId: boot,
    uptimeS: 0,
    monoS: 0,
    leaseS: leaseOf(pollMs) / 1_000,
    clock: "none" as const,
    firmware: { version, state: "confirmed" as const },
    ...(model === undefined ? {} : { model }),
    ...(hardwareRevision === undefined ? {} : { hardwareRevision }),
  };
  await registry.recordContacts([{ device, at, heartbeat }]);
  await rollouts.observeHeartbeats([{ device, scope, heartbeat, at }]);
  const { action } = await readVisit(db, of);
  // It has been through its start, so it has reported what it had to: the action must not be installed a second time.
  if (action?.state === "succeeded" && action.version === version) await closeAction(db, action.action, { as: "runs", at });
}

/** The start and the boot in which the device fetches the bytes, and when. Asked for in many small parts it is written down once a second. */
export async function noteDownload(
  deps: DdiDeps,
  { scope, device }: Device,
  { action, visit }: Omit<Answered, "feedback">,
): Promise<void> {
  const { db, clock, registry } = deps;
  const { starts } = visit.teller;
  const [picture] = await registry.pictures(scope, [device]);
  const [boot, at] = [picture?.bootId, clock.now()];
  const isKnown = action.fetchedStart === starts && action.fetchedBoot === boot && at - (action.fetchedAt ?? 0) < seconds(1);
  if (!isKnown) await markFetched(db, action.action, { starts, boot, at });
}

/** The device was shown what it is to do: it took the offer. */
export async function noteFetch(deps: DdiDeps, of: Device, action: Action): Promise<void> {
  if (action.state === "offered") await report(deps, of, action.deployment, { state: "downloading" });
}
