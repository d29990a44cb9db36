import { minutes, parseDuration } from "@tenfold/base";
import type { DeploymentState, NextDeployment, UpdateStep } from "@tenfold/contracts";
import type { Image } from "./device.ts";
import { flying, inspectEnd, isOpen, isRolledOutAgain } from "./judge-end.ts";
import type { Disk, Row } from "./memory-disk.ts";

const harmed: ReadonlySet<DeploymentState> = new Set(["failed", "rolled_back", "unresponsive"]);
const neverAgain = /^(offer|boot|validate)_|signature|after_reboot|during_update/;
const steps: Partial<Record<DeploymentState, UpdateStep>> = {
  ...{ offered: "download", downloading: "download" },
  ...{ downloaded: "install", verified: "install", installing: "install" },
  ...{ rebooting: "boot", validating: "boot" },
};
/** Ticks in which a server may have died, or others were in its way. */
const mostLate = 20;

export type Facts = {
  /** What a device runs, as far as the platform was told and in truth. */
  heard: (device: string) => { versions: readonly string[]; battery: number; tags: Readonly<Record<string, string>> } | undefined;
  /** Whether somebody else speaks in its name. */
  hasClone: (device: string) => boolean;
  /** Whether it leaves a release by itself, minutes after it has confirmed it. */
  fallsBackLater: (device: string) => boolean;
  /** The release that a device must have booted before it may be offered this one. */
  stoneOf: (version: string) => string | undefined;
  /** How many must approve, and who approved the very plan that stands there now: the world's own record. */
  approvalsNeeded: (rollout: string) => number;
  approvers: (rollout: string) => number;
};

/**
 * Looks at what is on the disk after every commit and says what must never be. It knows the promises and nothing of the code that keeps them:
 * it shares no rule with the planner, so that a bug there is not a bug here.
 */
export function createJudge(facts: Facts) {
  const broken: string[] = [];
  /** When each device last booted each image, and confirmed it. */
  const booted = new Map<string, number>();
  const last = new Map<string, Row>();
  const phases = new Map<string, string>();
  const stageStates = new Map<string, string>();
  const offers = new Map<string, number[]>();
  /** When each deployment came to the step that it is in, and for how many ticks it has been there past its time. */
  const entered = new Map<string, { step: UpdateStep; at: number; late: number }>();
  /** Who was told that its window had closed when it had begun. */
  const begun = new Set<string>();
  /** For how many ticks somebody has had the release ready with nothing against installing it. */
  const idle = new Map<string, number>();
  const say = (what: string) => {
    if (broken.length < 20) broken.push(what);
  };

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspect(disk: Disk, now: number): void {
    const rows = [...disk.rows.values()];
    const moved = rows.filter((row) => last.get(row.id) !== row);
    for (const row of moved) inspectRow(disk, row, now);
    if (moved.length > 0) inspectCounts(disk, rows);
    for (const [key, stage] of disk.stages) {
      if (stage.state === "passed" && stageStates.get(key) !== "passed") inspectPass(disk, stage, now);
      stageStates.set(key, stage.state);
    }
    for (const { id, phase } of disk.rollouts.values()) {
      const begins = phases.get(id) === "awaiting_approval" && phase === "running";
      if (begins && facts.approvers(id) < facts.approvalsNeeded(id)) say(`${id} began with ${facts.approvers(id)} approvals`);
      if (phases.get(id) !== phase && (phase === "rolling_back" || phase === "halted")) inspectHalt(disk, id);
      phases.set(id, phase);
    }
    for (const row of moved) last.set(row.id, row);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectRow(disk: Disk, row: Row, now: number): void {
    const before = last.get(row.id);
    const ended = before !== undefined && !isOpen(before);
    inspectStep(disk, row, now);
    if (ended && before.state !== row.state) say(`${row.id} was ${before.state} and is ${row.state}: an end is an end`);
    if (flying.has(row.state) && (before === undefined || before.state === "queued")) inspectOffer(disk, row, now);
    if (row.state === "succeeded" && before?.state !== "succeeded" && !isProven(disk, row))
      say(`${row.device} succeeded with ${row.version} and did not boot it after it was offered`);
    if (row.state === "unresponsive" && before?.state !== "unresponsive" && now < (row.deadlineAt ?? 0))
      say(`${row.device} was given up before its deadline`);
    if (row.state === "skipped" && row.reason === "silent_after_offer" && before?.state !== "skipped" && row.onlineAtOffer)
      say(`${row.device} heard the offer, fell silent, and does not count`);
    if (
      row.reason === "could_not_be_offered" &&
      before?.state === "queued" &&
      now < (stageOf(disk, row)?.startedAt ?? 0) + giveUpAfter(disk, row)
    )
      say(`${row.device} was given up too early`);
    inspectWait(disk, row, now);
    if (row.rollback && before === undefined && isRolledOutAgain(disk, row.rollout))
      say(`${row.device} is led away from a release that is rolled out again`);
    if (row.retried && !before?.retried) inspectRetry(disk, row);
    if (row.block?.code === "yields" && before?.block?.code !== "yields") inspectYielding(disk, row);
  }

  /** When the step that it is in must be done by the plan: by its own time, or by the whole's. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  const stepEnds = (disk: Disk, row: Row): number => {
    const { plan } = disk.rollouts.get(row.rollout) ?? {};
    const { step, at } = entered.get(row.id) ?? {};
    const own = step === undefined ? undefined : plan?.stepTimeouts?.[step];
    const deadline = parseDuration(plan?.deadline ?? "PT0S") ?? 0;
    const { offeredAt = 0, goAt = offeredAt } = row;
    if (waits(row)) return row.state === "offered" ? Number.POSITIVE_INFINITY : waitEnds(disk, row, deadline);
    // A download goes on with the time that it has; what was ready has its time from when it was let install.
    const since = row.state === "downloading" ? offeredAt : goAt;
    const whole = since + deadline;
    return own === undefined || at === undefined ? whole : Math.min(whole, Math.max(at, since) + (parseDuration(own) ?? 0));
  };

  /** It may not install yet, and does not download. */
  const waits = ({ ahead, goAt, state }: Row): boolean => ahead === true && goAt === undefined && state !== "downloading";
  const waitEnds = (disk: Disk, row: Row, deadline: number): number => {
    const patience = (row.offeredAt ?? 0) + giveUpAfter(disk, row);
    const { haltedAt } = disk.rollouts.get(row.rollout) ?? {};
    return haltedAt === undefined || haltedAt < (row.downloadedAt ?? 0) ? patience : Math.min(patience, haltedAt + deadline);
  };

  function inspectStep(disk: Disk, row: Row, now: number): void {
    const at = entered.get(row.id);
    if (row.reason?.endsWith("_timed_out") && before(row)?.state !== row.state) inspectTimeOut(disk, row, now);
    const step = steps[row.state];
    if (step === undefined) entered.delete(row.id);
    else if (at?.step !== step) entered.set(row.id, { step, at: step === "download" ? (row.offeredAt ?? now) : now, late: 0 });
  }

  function inspectTimeOut(disk: Disk, row: Row, now: number): void {
    const { step } = entered.get(row.id) ?? {};
    if (row.reason !== `${step}_timed_out`) say(`${row.device} ended ${row.reason} in the step ${step}`);
    if (now < stepEnds(disk, before(row) ?? row)) say(`${row.device} ended ${row.reason} before its time was over`);
  }

  /** Who waits for its window can be neither too slow nor lost; and is let install only when it might be offered the release. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectWait(disk: Disk, row: Row, now: number): void {
    const was = before(row);
    if (was === undefined || row.ahead !== true) return;
    const lost = row.state === "unresponsive" || row.reason?.endsWith("_timed_out");
    const ready = was.state === "downloaded" || was.state === "verified";
    if (lost && ready && was.goAt === undefined) say(`${row.device} waited for its window and ended ${row.reason}`);
    if (row.reason === "install_timed_out" && ready && (was.goUntil ?? now + 1) <= now)
      say(`${row.device} ended ${row.reason} although its window had closed before it began`);
    if (row.reason === "could_not_be_installed" && was.reason === undefined && now < (row.offeredAt ?? 0) + giveUpAfter(disk, row))
      say(`${row.device} was given up too early, with the release ready`);
    if (was.goAt !== undefined || row.goAt === undefined || was.state === "queued") return;
    if (steps[row.state] === "boot" || row.state === "installing") begun.add(row.id);
    else inspectLet(disk, row, now);
  }

  function inspectLet(disk: Disk, row: Row, now: number): void {
    const phase = phases.get(row.rollout);
    if (phase !== "running") say(`${row.device} was let install while ${phase}`);
    inspectBinding(disk, row, now);
    countOffer(disk, row, now);
  }

  /** Whoever is in a step for longer than the plan says, and goes on being. */
  function inspectTick(disk: Disk, now: number): void {
    for (const [id, at] of entered) {
      const row = disk.rows.get(id);
      if (row === undefined || now <= stepEnds(disk, row)) continue;
      at.late += 1;
      if (at.late === mostLate) say(`${row.device} is ${row.state} for longer than its plan lets it`);
    }
    inspectIdle(disk, now);
  }

  /** Whoever has the release ready is let install when its window is open and nothing else stands against it. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectIdle(disk: Disk, now: number): void {
    for (const row of disk.rows.values()) {
      const rollout = disk.rollouts.get(row.rollout);
      const device = facts.heard(row.device);
      if (!row.awaits || !flying.has(row.state) || rollout === undefined || device === undefined) continue;
      const others = [...disk.rows.values()].some((one) => flying.has(one.state) && !one.awaits);
      const free =
        rollout.phase === "running" &&
        !others &&
        inWindows(disk, row, now) &&
        device.battery >= (rollout.plan.conditions.batteryAtLeast ?? 0) &&
        disk.freezes.length + disk.pins.length === 0 &&
        row.version === rollout.release.version &&
        facts.stoneOf(row.version) === undefined &&
        (rollout.plan.requires.device === "" || device.tags.ready === "yes");
      const ticks = free ? (idle.get(row.id) ?? 0) + 1 : 0;
      idle.set(row.id, ticks);
      if (ticks === mostLate) say(`${row.device} waits with ${row.version} ready although nothing stands against it`);
    }
  }

  /** By a boot after the offer; or after that of an earlier try, which the platform gave up too soon, where nothing else was booted before it was tried again. */
  function isProven(disk: Disk, row: Row): boolean {
    const { rollback, rollout, device, sha256, offeredAt = 0 } = row;
    const bootedAt = bootOf(device, sha256);
    if (bootedAt >= provenFrom(disk, row)) return true;
    const tries = [...disk.rows.values()].filter(
      (one) => one.rollout === rollout && one.device === device && one.rollback === rollback && one.sha256 === sha256,
    );
    const others = [...booted].filter(([image]) => image.startsWith(`${device}/`) && image !== `${device}/${sha256}`);
    return (
      tries.some((one) => one.offeredAt !== undefined && one.offeredAt <= bootedAt) &&
      !others.some(([, at]) => at > bootedAt && at <= offeredAt)
    );
  }

  const bootOf = (device: string, hash: string): number => booted.get(`${device}/${hash}`) ?? Number.NEGATIVE_INFINITY;

  /** A way back is also gone by a device that falls back by itself just before it is offered; an update only by a boot after the offer. */
  const provenFrom = (disk: Disk, { rollback, rollout, device, offeredAt = 0 }: Row): number => {
    const updated = rollback
      ? [...disk.rows.values()].findLast(
          (row) => row.rollout === rollout && row.device === device && !row.rollback && row.offeredAt !== undefined,
        )
      : undefined;
    return updated?.verifiedAt ?? updated?.offeredAt ?? offeredAt;
  };

  const giveUpAfter = (disk: Disk, { rollout }: Row) => parseDuration(disk.rollouts.get(rollout)?.plan.giveUpAfter ?? "PT0S") ?? 0;

  /** A halt must have a cause that anybody can see: more harm in the stage than the plan allows, or harm that is no accident. */
  function inspectHalt(disk: Disk, id: string): void {
    const rollout = disk.rollouts.get(id);
    const decision = disk.decisions.findLast((one) => one.rollout === id);
    if (rollout === undefined || decision?.decision !== "halted") return;
    const mine = [...disk.rows.values()].filter((row) => row.rollout === id && !row.rollback && !row.retried);
    const hurt = mine.filter(({ state }) => harmed.has(state));
    const stage = mine.filter(
      (row) =>
        row.stage === rollout.stage &&
        row.state !== "skipped" &&
        !(row.state === "cancelled" && last.get(row.id)?.state !== "queued"),
    );
    const share = hurt.filter((row) => row.stage === rollout.stage).length / Math.max(1, stage.length);
    if (hurt.length < 2 && share <= rollout.plan.haltAbove) say(`${id} was halted for ${hurt.length} harmed of ${stage.length}`);
  }

  /** A rollout over this one's release as a stepping stone waits for it, and so must not be waited for. */
  function inspectYielding(disk: Disk, row: Row): void {
    const version = disk.rollouts.get(row.rollout)?.release.version;
    const leads = (id: string) => {
      const of = disk.rollouts.get(id);
      return of?.phase === "running" && facts.stoneOf(of.release.version) === version;
    };
    const circle = [...disk.rows.values()].find(
      (other) => other.device === row.device && other.state === "queued" && !other.rollback && leads(other.rollout),
    );
    if (circle && !row.rollback) say(`${row.device}: ${row.rollout} and ${circle.rollout} wait for each other`);
  }

  function inspectRetry(disk: Disk, row: Row): void {
    const { plan, release } = disk.rollouts.get(row.rollout) ?? {};
    const most = plan?.retries.most ?? 0;
    // A stone that was booted goes on to the release, however often that is.
    if (row.state === "succeeded" && row.sha256 !== release?.sha256) return;
    if (row.reason === undefined || neverAgain.test(row.reason)) say(`${row.device} is tried again after ${row.reason}`);
    if (row.attempt > most) say(`${row.device} is tried more often than the plan says`);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectOffer(disk: Disk, row: Row, now: number): void {
    const rollout = disk.rollouts.get(row.rollout);
    if (rollout === undefined) {
      say(`${row.id} belongs to no rollout`);
      return;
    }
    if (row.rollback) {
      if (phases.get(rollout.id) !== "rolling_back") say(`a way back was offered while ${phases.get(rollout.id)}`);
      return;
    }
    if (phases.get(rollout.id) !== "running" || rollout.phase !== "running")
      say(`${row.device} was offered an update while ${phases.get(rollout.id)} → ${rollout.phase}`);
    inspectBinding(disk, row, now);
    countOffer(disk, row, now);
    for (const stage of disk.stages.values())
      if (stage.rollout === rollout.id && stage.index < row.stage && stage.state !== "passed")
        say(`stage ${row.stage} before ${stage.index} passed`);
    inspectHarm(disk, row);
  }

  function countOffer(disk: Disk, row: Row, now: number): void {
    const times = [...(offers.get(row.rollout) ?? []).filter((at) => at > now - minutes(1)), now];
    offers.set(row.rollout, times);
    const { perMinute = Number.POSITIVE_INFINITY } = disk.rollouts.get(row.rollout)?.plan ?? {};
    if (times.length > perMinute) say(`${times.length} offers in a minute`);
  }

  const inWindows = (disk: Disk, row: Row, now: number): boolean =>
    [...(disk.rollouts.get(row.rollout)?.plan.windows ?? []), ...disk.policy.windows].every((window) => {
      const minute = Math.floor(now / minutes(1)) % 1_440;
      const [from, to] = [window.from, window.to].map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)));
      return minute >= (from ?? 0) && minute < (to ?? 1_440);
    });

  /** What the plan, the fleet and other rollouts have against it. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectBinding(disk: Disk, row: Row, now: number): void {
    const rollout = disk.rollouts.get(row.rollout);
    const device = facts.heard(row.device);
    if (rollout === undefined || device === undefined) return;
    const { plan } = rollout;
    if (facts.approvers(rollout.id) < facts.approvalsNeeded(rollout.id)) say(`${row.device}: offered without the approvals`);
    if (rollout.freezeOverride === undefined && disk.freezes.some(({ from, to }) => from <= now && now < to))
      say(`${row.device}: offered in a freeze`);
    for (const pin of disk.pins)
      if (
        pin.filter === `id:${row.device}` &&
        pin.version !== row.version &&
        (pin.expiresAt === undefined || Date.parse(pin.expiresAt) > now)
      )
        say(`${row.device}: offered although it is pinned`);
    // Only to download it, a device needs neither its window nor its battery.
    const installs = row.ahead !== true || row.goAt !== undefined;
    if (installs && device.battery < (plan.conditions.batteryAtLeast ?? 0))
      say(`${row.device}: offered with a battery at ${device.battery}`);
    if (installs && !inWindows(disk, row, now)) say(`${row.device}: offered outside its window`);
    if (plan.requires.device === "tag:ready=yes" && device.tags.ready !== "yes")
      say(`${row.device}: offered without its prerequisite`);
    if (plan.requires.rollouts.some((id) => disk.rollouts.get(id)?.phase !== "completed"))
      say(`${rollout.id}: went before its prerequisite`);
    const stone = facts.stoneOf(row.version);
    if (stone !== undefined && device.versions.every((version) => Number.parseInt(version, 10) < Number.parseInt(stone, 10)))
      say(`${row.device}: offered ${row.version} over ${device.versions.join(", ")}, past its stepping stone`);
    const proving = [...disk.rollouts.values()].findLast(
      (other) => other.id !== rollout.id && other.release.version === row.version,
    );
    if (row.version !== rollout.release.version && proving && !["completed", "cancelled"].includes(proving.phase))
      say(`${row.device}: led over ${row.version}, whose own rollout is ${proving.phase}`);
    if (row.version !== rollout.release.version && facts.stoneOf(rollout.release.version) !== row.version)
      say(`${row.device}: offered ${row.version} in a rollout of ${rollout.release.version}`);
    if (device.versions.every((version) => Number.parseInt(row.version, 10) < Number.parseInt(version, 10)))
      say(`${row.device}: offered ${row.version} over ${device.versions.join(", ")}`);
    const rival = [...disk.rows.values()].find((other) => {
      const of = disk.rollouts.get(other.rollout);
      return (
        other.device === row.device &&
        other.state === "queued" &&
        !other.rollback &&
        of?.phase === "running" &&
        phases.get(of.id) === "running" &&
        of.weight > rollout.weight &&
        facts.stoneOf(of.release.version) !== rollout.release.version
      );
    });
    // What is on its way already is not called back for another rollout.
    if (rival && last.get(rival.id)?.state === "queued" && last.get(row.id)?.state === "queued")
      say(`${row.device}: ${rival.rollout} has more weight and was to go first`);
    if (now < (stageOf(disk, row)?.startedAt ?? 0)) say(`${row.device}: offered before its stage began`);
    const jitter = before(row)?.block;
    if (jitter?.code === "jitter" && now < (jitter.until ?? 0)) say(`${row.device}: offered before its time`);
    const failed = [...disk.rows.values()].find(
      (one) => one.rollout === row.rollout && one.device === row.device && !one.rollback && one.attempt === row.attempt - 1,
    );
    const wait = (parseDuration(plan.retries.backoff) ?? 0) * 2 ** (row.attempt - 2);
    if (failed && failed.state !== "succeeded" && now < (failed.endedAt ?? 0) + wait) say(`${row.device}: tried again too soon`);
  }

  const before = (row: Row) => last.get(row.id);
  const stageOf = (disk: Disk, { rollout, stage }: Pick<Row, "rollout" | "stage">) => disk.stages.get(`${rollout}/${stage}`);

  /** Distinct devices that the release has harmed, against the plan's own limit: nothing may be offered past it. */
  function inspectHarm(disk: Disk, row: Row): void {
    const rollout = disk.rollouts.get(row.rollout);
    const stage = [...disk.rows.values()].filter(
      (one) => one.rollout === row.rollout && one.stage === row.stage && !one.rollback && !one.retried,
    );
    const counted = stage.filter(({ state }) => state !== "skipped" && state !== "cancelled").length;
    const bad = new Set(stage.filter(({ state }) => harmed.has(state)).map(({ device }) => device)).size;
    if (bad / Math.max(1, counted) > (rollout?.plan.haltAbove ?? 1))
      say(`offered although ${bad} of ${counted} in the stage are harmed`);
    const all = [...disk.rows.values()].filter((one) => one.rollout === row.rollout && !one.rollback && !one.retried);
    const hurt = all.filter(({ state }) => harmed.has(state)).length;
    const exposed = all.filter(({ state }) => harmed.has(state) || state === "succeeded" || flying.has(state)).length;
    if (hurt >= 5 && hurt / exposed > 0.4) say(`offered although ${hurt} of ${exposed} exposed are harmed: no gate has closed`);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectCounts(disk: Disk, rows: readonly Row[]): void {
    const devices = new Set<string>();
    const inRollout = new Map<string, number>();
    let updates = 0;
    for (const row of rows) {
      if (!flying.has(row.state)) continue;
      if (devices.has(row.device)) say(`${row.device} has two updates in flight`);
      devices.add(row.device);
      // Who waits takes no place; and who began without a word, as its window closed, had none.
      if (row.awaits || begun.has(row.id)) continue;
      inRollout.set(row.rollout, (inRollout.get(row.rollout) ?? 0) + 1);
      if (!row.rollback) updates += 1;
    }
    for (const [id, n] of inRollout) if (n > (disk.rollouts.get(id)?.plan.atOnce ?? 0)) say(`${id} has ${n} in flight at once`);
    if (updates > (disk.policy.atOnce ?? Number.POSITIVE_INFINITY)) say(`the fleet has ${updates} updates in flight`);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a list of promises, one a line, is easier to read whole.
  function inspectPass(disk: Disk, stage: { rollout: string; index: number }, now: number): void {
    const rollout = disk.rollouts.get(stage.rollout);
    const rows = [...disk.rows.values()].filter(
      (row) => row.rollout === stage.rollout && row.stage === stage.index && !row.rollback && !row.retried,
    );
    if (rows.some(isOpen)) say(`stage ${stage.index} passed with open deployments`);
    const verified = rows.flatMap(({ state, verifiedAt }) => (state === "succeeded" && verifiedAt !== undefined ? verifiedAt : []));
    const soak = parseDuration(rollout?.plan.soak ?? "PT0S") ?? 0;
    if (verified.length > 0 && now < Math.max(...verified) + soak) say(`stage ${stage.index} passed before its soak`);
    const lastOne = ![...disk.stages.values()].some(({ rollout: of, index }) => of === stage.rollout && index > stage.index);
    const proven = [...disk.rows.values()].some(
      (row) =>
        row.rollout === stage.rollout && row.stage <= stage.index && !row.rollback && !row.retried && row.state === "succeeded",
    );
    if (!proven && !lastOne && rollout?.waivedStage !== stage.index) say(`stage ${stage.index} passed and nothing was proven`);
    for (const stratum of new Set(rows.map((row) => row.stratum))) {
      const of = rows.filter((row) => row.stratum === stratum);
      const seen = of.some(({ state }) => state === "succeeded");
      if (stage.index === 0 && stratum !== "" && !lastOne && !seen && rollout?.waivedStage !== 0)
        say(`the canary passed and nothing is known of ${stratum}`);
    }
  }

  return {
    broken,
    inspect,
    inspectTick,
    say,
    /** The world's own word: this device booted this image and confirmed it. */
    noteBoot: (device: string, { hash }: Image, at: number) => booted.set(`${device}/${hash}`, at),
    /** The world's own word: a device begins to install. */
    noteInstall(disk: Disk, deployment: string, now: number): void {
      const row = disk.rows.get(deployment);
      if (row?.ahead && !inWindows(disk, row, now)) say(`${row.device} began to install outside its window`);
    },
    /** What leaves must be on the disk already. */
    inspectSend(disk: Disk, device: string, next: NextDeployment): void {
      if (next.is === "none") return;
      const row = disk.rows.get(next.deployment);
      if (row === undefined || row.device !== device || row.state === "queued") {
        say(`${device} was sent what is on no disk`);
        return;
      }
      const { phase = "cancelled" } = disk.rollouts.get(row.rollout) ?? {};
      if (next.is === "offer" && !row.rollback && phase !== "running" && phase !== "paused")
        say(`${device} was sent an offer of a rollout that is ${phase}`);
    },
    /** After the faults have ended and everybody has had time. */
    inspectEnd: (disk: Disk, alive: (device: string) => Image | undefined): void => inspectEnd(disk, { alive, facts, say }),
  };
}
