/** Whose things a question is about. Every store function takes one, so that no query can forget to ask. */
export type Scope = { readonly fleet: string };

/** The fleet that exists from the first start. */
export const defaultScope: Scope = { fleet: "main" };

/** Ends a `switch` over a closed union: the compiler refuses the call while a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`);
}
