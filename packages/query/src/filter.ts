/** The filter language (docs/filter-language.md) as data. */

export const statuses = ["online", "late", "offline", "never_seen"] as const;
export type Status = (typeof statuses)[number];

export const lifecycles = ["expected", "pending", "active", "suspended", "quarantined", "retired"] as const;
export type FilterLifecycle = (typeof lifecycles)[number];

export const termNames = ["id", "tag", "status", "lifecycle", "fw", "model", "hw", "trust", "lastSeen", "group", "fleet"] as const;
export type TermName = (typeof termNames)[number];

/** `<=` stands before `<`, so that reading tries the longer one first. */
export const comparisons = ["<=", ">=", "<", ">", "="] as const;
export type Comparison = (typeof comparisons)[number];
export type AgeComparison = Exclude<Comparison, "=">;

export type Term =
  /** A bare word: part of the id, capitals or not (ASCII). */
  | { is: "text"; contains: string }
  | { is: "id"; id: string }
  /** Without a value: the tag exists. */
  | { is: "tag"; key: string; value?: string }
  | { is: "status"; status: Status }
  | { is: "lifecycle"; lifecycle: FilterLifecycle }
  | { is: "fw"; compare: Comparison; version: string }
  | { is: "model"; model: string }
  /** The hardware revision, letter for letter. */
  | { is: "hw"; revision: string }
  /** The trust level, 0 to 4. */
  | { is: "trust"; compare: Comparison; level: number }
  /** How long ago the last contact was, in ms. A device that was never heard matches neither way. */
  | { is: "lastSeen"; compare: AgeComparison; age: number }
  | { is: "group"; name: string }
  | { is: "fleet"; fleet: string };

export type Filter = { is: "all" } | { is: "and"; of: Filter[] } | { is: "or"; of: Filter[] } | { is: "not"; of: Filter } | Term;

/** Bounds that keep every filter cheap to read, print, and run. */
export const limits = { characters: 1_000, depth: 30, termsAfterExpansion: 500 } as const;
