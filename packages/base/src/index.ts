export { canonicalJson, canonicalProblems, type Json } from "./canonical.ts";
export { cohortThreshold, groupThreshold, usualSilentShare } from "./cohort.ts";
export { days, formatDuration, hours, humanDuration, milliseconds, minutes, parseDuration, seconds } from "./duration.ts";
export { newId } from "./id.ts";
export { deepestJson, isNestedDeeper } from "./json-depth.ts";
export { defineProblems, describeError, type HttpStatus, Problem, type ProblemMaker, type ProblemOptions } from "./problem.ts";
export { hash32, seededRandom } from "./random.ts";
export { defaultScope, type Scope, unreachable } from "./scope.ts";
export { compareVersions, versionKey } from "./version.ts";
