/** The filter language: `tag:site=berlin status:offline fw:<1.4.0 lastSeen:>2h -group:lab` (docs/filter-language.md). */
export { type FilterRefusal, queryProblems } from "./errors.ts";
export { asciiLowerCase, evaluate, type FilterSubject } from "./evaluate.ts";
export { expandGroups, type GroupMeaning, groupsNamedIn } from "./expand.ts";
export {
  type AgeComparison,
  type Comparison,
  type Filter,
  type FilterLifecycle,
  lifecycles,
  limits as filterLimits,
  type Status,
  statuses,
  type Term,
  termNames,
} from "./filter.ts";
export { type FilterReading, parseFilter, readFilter } from "./parse.ts";
export { printFilter } from "./print.ts";
