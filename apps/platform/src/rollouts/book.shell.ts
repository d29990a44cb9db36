import { insertDecision } from "./decisions.shell.ts";
import {
  currentDeployments,
  lastProofs,
  lockWatched,
  markTold,
  recordEnds,
  recordOffers,
  saveWatched,
  untoldDevices,
} from "./deployments.shell.ts";
import { addTargets, insertRollout, membersAmong } from "./places.shell.ts";
import { approvalsOf, freezesFrom, insertApproval, pinsAt, policyOf, unmetRollouts } from "./policy.shell.ts";
import {
  cancelQueued,
  insertRetries,
  nextDeadline,
  overdueDeployments,
  queuedDeployments,
  recentOffers,
  recordBlocks,
  stillQueued,
} from "./queue.shell.ts";
import { insertRestores, unrestoredDeployments } from "./restores.shell.ts";
import {
  busyDevices,
  changePhase,
  dueRollouts,
  findByIdempotencyKey,
  findRollout,
  lockFree,
  lockPlaces,
  lockRollout,
  lockStarts,
  lookAt,
  noteJoined,
  openRollouts,
  waiveStage,
  wakeRollouts,
  writeFreezeOverride,
} from "./store.ts";
import { changeStage, claimsOf, countDeployments, countStrata, stagesOf } from "./tallies.shell.ts";

/**
 * Everything that the engine reads of rollouts and writes about them. Two sides are real: PostgreSQL, and the memory of the deterministic
 * simulation (`simulation/`), which runs the loop, the observers and the operators' commands unchanged. Both pass one contract suite.
 */
export const postgresBook = {
  addTargets,
  approvalsOf,
  busyDevices,
  cancelQueued,
  changePhase,
  changeStage,
  claimsOf,
  countDeployments,
  countStrata,
  currentDeployments,
  dueRollouts,
  findByIdempotencyKey,
  findRollout,
  freezesFrom,
  insertApproval,
  insertDecision,
  insertRestores,
  insertRetries,
  insertRollout,
  lastProofs,
  lockFree,
  lockPlaces,
  lockRollout,
  lockStarts,
  lockWatched,
  lookAt,
  markTold,
  membersAmong,
  nextDeadline,
  noteJoined,
  openRollouts,
  overdueDeployments,
  pinsAt,
  policyOf,
  queuedDeployments,
  recentOffers,
  recordBlocks,
  recordEnds,
  recordOffers,
  saveWatched,
  stagesOf,
  stillQueued,
  unmetRollouts,
  unrestoredDeployments,
  untoldDevices,
  waiveStage,
  wakeRollouts,
  writeFreezeOverride,
};
export type Book = typeof postgresBook;
