import { defineProblems } from "@tenfold/base";

export const queryProblems = defineProblems({
  filter_invalid: 422,
  filter_too_long: 422,
  filter_group_unknown: 422,
  filter_group_circular: 422,
});

/** Why a text is no filter: where (characters from 0), what stood there, what could have stood there, and a guess at what was meant. */
export type FilterRefusal = { at: number; found: string; expected: string; suggestion?: string };

/** Carries a refusal out of the depth of the parser; never leaves this package. */
export class RefusalError extends Error {
  readonly refusal: FilterRefusal;

  constructor(refusal: FilterRefusal) {
    super(refusal.expected);
    this.refusal = refusal;
  }
}

export function refuse(refusal: { at: number; found: string; expected: string; suggestion?: string | undefined }): RefusalError {
  const { suggestion, ...rest } = refusal;
  return new RefusalError(suggestion === undefined ? rest : { ...rest, suggestion });
}
