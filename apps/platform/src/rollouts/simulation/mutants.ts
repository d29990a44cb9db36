/** A bug planted in the controller's own source: one text for another, in one file. */
export type Mutant = { name: string; file: string; find: string; put: string };

/**
 * What the simulation must find. A run count says little; that every one of these is found, and how soon, says what the simulation is worth.
 * A text that no longer stands in its file exactly once is an error, so that the list cannot rot.
 */
export const mutants: readonly Mutant[] = [
  {
    name: "one device too many at once",
    file: "picture.ts",
    find: "const places = rollout.atOnce - inFlight(picture);",
    put: "const places = rollout.atOnce + 1 - inFlight(picture);",
  },
  {
    name: "counts everybody twice",
    file: "tallies.shell.ts",
    find: '      sum[columnOf(state)] += devices;\n      if (state === "succeeded"',
    put: '      sum[columnOf(state)] += 2 * devices;\n      if (state === "succeeded"',
  },
  { name: "never halts by share", file: "gate.ts", find: "if (stageShare > haltAbove) {", put: "if (stageShare > 2) {" },
  {
    name: "asks the wall clock for the soak",
    file: "plan.ts",
    find: "if (now < until) return stage.state",
    put: "if (Date.now() < until) return stage.state",
  },
  {
    name: "begins with an approval too few",
    file: "plan.ts",
    find: "if (valid.length < rollout.approvalsNeeded) return [];",
    put: "if (valid.length + 1 < rollout.approvalsNeeded) return [];",
  },
  { name: "an approval is good for any plan", file: "approvals.ts", find: "one.planHash === planHash && ", put: "" },
  {
    name: "a stage passes with devices on their way",
    file: "plan.ts",
    find: "  if (stage.inFlight > 0) return [];\n  return endStage",
    put: "  return endStage",
  },
  {
    name: "a halt leaves the line standing",
    file: "record.shell.ts",
    find: '  await book.cancelQueued(tx, scope, { rollout: id, at, line: "updates" });',
    put: "",
  },
  {
    name: "no deadline",
    file: "plan.ts",
    find: "picture.overdue.map((overdue) => holdOf(",
    put: "picture.overdue.slice(0, 0).map((overdue) => holdOf(",
  },
  {
    name: "silence after an offer that was heard does not count",
    file: "plan.ts",
    find: "    if (onlineAtOffer)\n",
    put: "    if (onlineAtOffer && false)\n",
  },
  {
    name: "a report is success",
    file: "progress.ts",
    find: "return { ...told, state: report.state, ...(rebooting",
    put: 'return { ...told, state: report.state === "validating" ? "succeeded" : report.state, ...(rebooting',
  },
  {
    name: "a version is believed without its bytes",
    file: "progress.ts",
    find: "firmware.hash === undefined ? firmware.version === deployment.version : firmware.hash === deployment.sha256",
    put: "firmware.version === deployment.version",
  },
  {
    name: "a heartbeat from an older boot proves",
    file: "progress.ts",
    find: " || boots.includes(bootId);",
    put: ";",
  },
  {
    name: "a heartbeat from an older boot says what runs",
    file: "proof.ts",
    find: "if (proof === undefined || !isOlder(picture, proof)) return picture;",
    put: "if (proof === undefined || !isOlder(picture, proof) || proof) return picture;",
  },
  {
    name: "finds a way back pointless while another is on its way",
    file: "picture.shell.ts",
    find: "const changing = busyWith !== undefined ||",
    put: "const changing = busyWith === null ||",
  },
  {
    name: "a boot on trial is success",
    file: "progress.ts",
    find: 'onTarget && firmware.state === "confirmed" && bootId',
    put: "onTarget && bootId",
  },
  {
    name: "tries a bad signature again",
    file: "retries.ts",
    find: '"download_network", ',
    put: '"download_network", "offer_signature_invalid", ',
  },
  { name: "tries again for ever", file: "retries.ts", find: "attempt > rule.most", put: "attempt > rule.most + 3" },
  { name: "tries again at once", file: "retries.ts", find: "const notBefore = at + wait", put: "const notBefore = at" },
  {
    name: "offers in a freeze",
    file: "standstill.ts",
    find: "freeze !== undefined && rollout.freezeOverride === undefined",
    put: "freeze !== undefined && rollout.freezeOverride !== undefined",
  },
  {
    name: "does not count the offers of the minute",
    file: "picture.ts",
    find: "places: rollout.perMinute - recentOffers.count",
    put: "places: rollout.perMinute",
  },
  { name: "offers to who is pinned", file: "line.ts", find: "judgePins(candidate.pins, rules.version, now) ??", put: "" },
  {
    name: "does not give way to more weight",
    file: "line.ts",
    find: "if (yieldsTo !== undefined) return",
    put: "if (yieldsTo === null) return",
  },
  {
    name: "takes places that others have",
    file: "shares.ts",
    find: "Math.min(share - mine.inFlight, total - taken)",
    put: "share - mine.inFlight + 1",
  },
  {
    name: "does not look at the battery",
    file: "conditions.ts",
    find: "if (power.level >= batteryAtLeast)",
    put: "if (power.level >= 0)",
  },
  {
    name: "does not look at the prerequisite",
    file: "picture.shell.ts",
    find: "met === undefined || met.has(one.device)",
    put: "met === undefined || met.size >= 0",
  },
  { name: "a window never closes", file: "windows.ts", find: "minute >= opens && minute < closes", put: "minute >= opens" },
  {
    name: "a stratum of which nothing is known passes",
    file: "strata.ts",
    find: "devices > 0 && succeeded === 0",
    put: "devices > 0 && succeeded < 0",
  },
  { name: "a stage that proved nothing passes", file: "plan.ts", find: "if (!proven && !last &&", put: "if (!proven && last &&" },
  {
    name: "forgets one that must be brought back",
    file: "plan.ts",
    find: "picture.unrestored.map(wayBack)",
    put: "picture.unrestored.slice(1).map(wayBack)",
  },
  {
    name: "tells a device to go on after the halt",
    file: "tell.shell.ts",
    find: "!rollback && isHalted(phase)",
    put: "!rollback && isHalted(phase) && rollback",
  },
  {
    name: "leads past the stepping stone",
    file: "picture.shell.ts",
    find: "...(stone ? { via: targetOfStone(stone) } : {}),",
    put: "",
  },
  {
    name: "a stepping stone is the release",
    file: "retries.ts",
    find: 'state !== "succeeded" || sha256 === release.sha256',
    put: 'state !== "succeeded" || sha256 !== release.sha256 || rollback',
  },
  {
    name: "leads over a release that is still being proven",
    file: "line.ts",
    find: 'if (unproven !== undefined) return { code: "stone_not_proven", because: unproven };',
    put: "",
  },
  {
    name: "leads over a release that was taken back",
    file: "stones.shell.ts",
    find: "return isHalted(last.phase) ? [] : [{",
    put: "return isHalted(last.phase) ? [stone] : [{",
  },
  {
    name: "waits for a rollout that waits for it",
    file: "picture.shell.ts",
    find: "except: await waitingFor(deps, db, scope, rollout),",
    put: "except: [],",
  },
  {
    name: "a halt makes a stepping stone count",
    file: "observe.shell.ts",
    find: "{ ...stone, halted: true }",
    put: "undefined",
  },
  { name: "gives a device up at once", file: "line.ts", find: "now >= since + giveUpAfterMs", put: "now >= since" },
  {
    name: "offers to whoever waits, whatever the stage",
    file: "picture.shell.ts",
    find: '{ is: "stage", stage: rollout.stage }',
    put: '{ is: "stage", stage: rollout.stage + (now % 2 === 0 ? 1 : 0) }',
  },
];
