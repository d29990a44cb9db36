import type { Book, BookedDeployment } from "./book.ts";
import type { Deed } from "./diary.ts";
import type { Kill } from "./killer.ts";

export type Evidence = {
  book: Book;
  deeds: readonly Deed[];
  kills: readonly Pick<Kill, "at" | "readyAt">[];
  /** The rollouts that were started, each once. */
  rounds: readonly string[];
};

export type Finding = { law: string; broken: string[] };

/** How long a platform that is ready may take to notice that a deadline has passed. */
const noticesWithinMs = 5_000;

/** Holds what the platform wrote down against what devices did. Pure. */
export function judgeRollouts(evidence: Evidence): Finding[] {
  return [
    { law: "every rollout that was started is there once, and ended", broken: rolloutsAstray(evidence) },
    { law: "every deployment has an end", broken: open(evidence.book) },
    { law: "every deployment ends by its deadline", broken: overdue(evidence) },
    { law: "no device is left out", broken: leftOut(evidence.book) },
    { law: "no device has two updates at a time", broken: overlapping(evidence.book) },
    { law: "no try is doubled, and each that is tried again has a next one", broken: triesAstray(evidence.book) },
    { law: "a rollout halts once and passes each stage once", broken: decidedTwice(evidence.book) },
    { law: "no device installs twice for one deployment", broken: installedTwice(evidence) },
    { law: "an end that a device told and that was acknowledged is in the record", broken: forgottenEnds(evidence) },
    { law: "a boot that a device proved in time and that was acknowledged is a success", broken: forgottenBoots(evidence) },
    { law: "no success without an installation and a start of that firmware", broken: falseSuccesses(evidence) },
  ];
}

const endedPhases = new Set(["completed", "rolled_back", "halted", "cancelled"]);
const finalStates = new Set(["succeeded", "failed", "rolled_back", "unresponsive", "skipped", "cancelled"]);
const name = ({ id, device, version, state }: BookedDeployment) => `${id} of ${device}, ${version}: ${state}`;

function rolloutsAstray({ book, rounds }: Evidence): string[] {
  const known = new Map(book.rollouts.map((one) => [one.id, one]));
  const lost = rounds.filter((id) => !known.has(id)).map((id) => `${id} is lost`);
  const doubled = book.rollouts.filter(({ id }) => !rounds.includes(id)).map(({ id }) => `nobody started ${id}`);
  const stuck = book.rollouts.filter(({ phase }) => !endedPhases.has(phase)).map(({ id, phase }) => `${id} is ${phase}`);
  return [...lost, ...doubled, ...stuck];
}

const open = ({ deployments }: Book): string[] => deployments.filter(({ state }) => !finalStates.has(state)).map(name);

function overdue({ book, kills }: Evidence): string[] {
  return book.deployments.flatMap((one) => {
    const { deadlineAt, endedAt } = one;
    if (deadlineAt === undefined || endedAt === undefined || endedAt <= deadlineAt) return [];
    const late = readyBetween(deadlineAt, endedAt, kills);
    return late <= noticesWithinMs ? [] : [`${name(one)} ${Math.round(late)} ms of readiness late`];
  });
}

/** For how much of a stretch of time the platform was ready. */
function readyBetween(from: number, to: number, kills: Evidence["kills"]): number {
  const away = kills.map(({ at, readyAt }) => Math.max(0, Math.min(to, readyAt) - Math.max(from, at)));
  return to - from - away.reduce((sum, one) => sum + one, 0);
}

function leftOut({ rollouts, deployments, devices }: Book): string[] {
  return rollouts.flatMap(({ id, model }) => {
    const reached = new Set(deployments.filter(({ rollout, rollback }) => rollout === id && !rollback).map(({ device }) => device));
    return devices.filter((one) => one.model === model && !reached.has(one.id)).map((one) => `${one.id} in ${id}`);
  });
}

function overlapping({ deployments }: Book): string[] {
  const offered = deployments.filter(({ offeredAt }) => offeredAt !== undefined);
  return [...Map.groupBy(offered, ({ device }) => device).values()].flatMap((of) => {
    const inOrder = of.toSorted((a, b) => (a.offeredAt ?? 0) - (b.offeredAt ?? 0));
    return inOrder.flatMap((one, i) => {
      const before = inOrder[i - 1];
      const free = before === undefined || (before.endedAt ?? Number.POSITIVE_INFINITY) <= (one.offeredAt ?? 0);
      return free ? [] : [`${name(one)} beside ${name(before)}`];
    });
  });
}

function triesAstray({ deployments }: Book): string[] {
  const tryOf = ({ rollout, device, rollback, attempt }: BookedDeployment, next = 0) =>
    `${rollout} ${device} ${rollback} ${attempt + next}`;
  const tries = Map.groupBy(deployments, (one) => tryOf(one));
  const doubled = [...tries].filter(([, of]) => of.length > 1).map(([key]) => `${key} ${tries.get(key)?.length} times`);
  const ended = deployments.filter((one) => one.retried && !tries.has(tryOf(one, 1))).map((one) => `no next try of ${name(one)}`);
  const unasked = deployments.filter((one) => one.attempt > 1 && !tries.get(tryOf(one, -1))?.some(({ retried }) => retried));
  return [...doubled, ...ended, ...unasked.map((one) => `nobody asked for ${name(one)}`)];
}

function decidedTwice({ decisions }: Book): string[] {
  const once = decisions.filter(({ decision }) => decision === "halted" || decision === "stage_passed");
  const groups = Map.groupBy(once, ({ rollout, decision, stage = 0 }) => (decision === "halted" ? rollout : `${rollout} ${stage}`));
  return [...groups]
    .filter(([, of]) => of.length > 1)
    .map(([key, of]) => `${key}: ${of.map(({ decision }) => decision).join(", ")}`);
}

type Installed = Extract<Deed, { did: "installed" }>;

const isInstallation = (deed: Deed): deed is Installed => deed.did === "installed";
/** A device knows its deployment by its id or by its number. */
const isOf = (deployment: BookedDeployment, { device, deployment: known }: { device: string; deployment: string }) =>
  deployment.device === device && (deployment.id === known || deployment.action === known);

function installedTwice({ book, deeds }: Evidence): string[] {
  const groups = Map.groupBy(deeds.filter(isInstallation), ({ device, deployment }) => `${device} ${deployment}`);
  return [...groups].flatMap(([key, of]) => {
    const [first] = of;
    const known = first !== undefined && book.deployments.some((one) => isOf(one, first));
    return [...(of.length > 1 ? [`${key} ${of.length} times`] : []), ...(known ? [] : [`${key}, which is in no record`])];
  });
}

const ends: Readonly<Record<string, readonly string[]>> = {
  failed: ["failed"],
  rolled_back: ["rolled_back", "failed"],
  cancelled: ["cancelled"],
};

function forgottenEnds({ book, deeds }: Evidence): string[] {
  return deeds.flatMap((deed) => {
    const wanted = deed.did === "told" ? ends[deed.state] : undefined;
    if (wanted === undefined || deed.did !== "told") return [];
    const one = book.deployments.find((deployment) => isOf(deployment, deed));
    if (one === undefined) return [`${deed.device} told the end of ${deed.deployment}, which is in no record`];
    return wanted.includes(one.state) || wasOver(one, deed.at) ? [] : [`${name(one)}, and its device told ${deed.state}`];
  });
}

/** It had ended, or its time was over, when the device spoke. */
const wasOver = ({ endedAt, deadlineAt }: BookedDeployment, at: number): boolean =>
  (endedAt !== undefined && endedAt <= at) || (deadlineAt !== undefined && deadlineAt <= at);

function forgottenBoots({ book, deeds }: Evidence): string[] {
  return book.deployments.flatMap((one) => {
    const installed = deeds.filter(isInstallation).find((deed) => isOf(one, deed));
    if (installed === undefined || one.state === "succeeded") return [];
    const proved = deeds.find(
      (deed) => deed.did === "proved" && deed.device === one.device && deed.version === one.version && deed.at > installed.at,
    );
    return proved === undefined || wasOver(one, proved.at) ? [] : [`${name(one)}, and its device proved ${one.version} in time`];
  });
}

function falseSuccesses({ book, deeds }: Evidence): string[] {
  return book.deployments.flatMap((one) => {
    const { state, device, version, endedAt = 0 } = one;
    if (state !== "succeeded") return [];
    const installed = deeds.filter(isInstallation).find((deed) => isOf(one, deed));
    const started = deeds.some(
      (deed) =>
        deed.did === "started" &&
        deed.device === device &&
        deed.version === version &&
        deed.at >= (installed?.at ?? 0) &&
        deed.at <= endedAt,
    );
    return installed !== undefined && started ? [] : [`${name(one)}, ${installed ? "never started" : "never installed"}`];
  });
}
