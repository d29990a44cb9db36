/**
 * Errors that a caller may branch on. Each part of Tenfold declares its closed list once (`errors.ts`), with the HTTP status
 * that the API answers; the compiler then knows every code, and a gate holds the lists against docs/protocol/errors.md.
 */

export type HttpStatus = 400 | 401 | 403 | 404 | 405 | 409 | 410 | 412 | 413 | 415 | 422 | 429 | 500 | 501 | 503;

export type ProblemOptions = {
  /** The field that is wrong, as a JSON pointer or a dotted path. */
  readonly field?: string;
  /** What to do about it, as a sentence for a person. */
  readonly fix?: string;
  /** Seconds after which trying again makes sense (429, 503). */
  readonly retryAfterS?: number;
  readonly cause?: unknown;
};

/** A failure with a stable `code`. Its message is a sentence that names the thing; nobody matches on it. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: string;
  readonly status: HttpStatus;
  readonly field: string | undefined;
  readonly fix: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(kind: { code: string; status: HttpStatus }, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = kind.code;
    this.status = kind.status;
    this.field = options.field;
    this.fix = options.fix;
    this.retryAfterS = options.retryAfterS;
  }
}

export type ProblemMaker = ((message: string, options?: ProblemOptions) => Problem) & {
  readonly code: string;
  readonly status: HttpStatus;
};

/**
 * Declares a closed list of codes: `defineProblems({ device_unknown: 404 })`, then
 * `throw registryProblems.device_unknown('Device "x" is not registered.', { fix: "…" })`.
 */
export function defineProblems<const Statuses extends Record<string, HttpStatus>>(
  statuses: Statuses,
): { readonly [Code in keyof Statuses & string]: ProblemMaker } {
  const makers = Object.entries(statuses).map(([code, status]) => {
    const make = (message: string, options?: ProblemOptions) => new Problem({ code, status }, message, options);
    return [code, Object.assign(make, { code, status })] as const;
  });
  // The entries were made from the keys of `Statuses`, one for one.
  return Object.fromEntries(makers) as { [Code in keyof Statuses & string]: ProblemMaker };
}

/** What went wrong, as one line for a log or a terminal, with the causes behind it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const because = error.cause === undefined ? "" : ` (because: ${describeError(error.cause)})`;
  return `${error.message}${because}`;
}
