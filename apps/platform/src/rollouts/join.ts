import type { StageTally } from "./rollout.ts";

/**
 * The stage that a late joiner gets: the current one while it still has devices to offer to, else the next. So a stream of new devices cannot
 * keep a stage open for ever, but for the last one.
 */
export function joinStage(stages: readonly StageTally[], current: number): number {
  const open = (stages[current]?.queued ?? 0) > 0;
  return open ? current : Math.min(current + 1, Math.max(0, stages.length - 1));
}
