/** Something that faces a network and must survive whatever comes. */
export type Target = {
  name: string;
  /** Its part of all inputs, relative to the others. */
  weight: number;
  open(): Promise<OpenTarget>;
};

export type OpenTarget = AsyncDisposable & {
  /** One input, decided by `random` alone. Throws when the answer is not one that the target may give. */
  attack(random: () => number): Promise<void> | void;
  /** Asked now and then: throws when the target no longer serves a good input. */
  assertAlive?(): Promise<void> | void;
};

/** A target without anything to open: a pure function. */
export const pure = (name: string, weight: number, make: () => OpenTarget["attack"] | Promise<OpenTarget["attack"]>): Target => ({
  name,
  weight,
  open: async () => ({ attack: await make(), [Symbol.asyncDispose]: async () => {} }),
});
