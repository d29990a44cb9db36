/**
 * What devices really did and what the platform acknowledged to them, in the order in which it happened. It is kept outside of the platform,
 * and what the platform's tables say in the end is held against it. `deployment` is an id of the platform or, over DDI, an action's number.
 */
export type Deed = { device: string; at: number } & (
  | { did: "installed"; deployment: string; version: string }
  /** A report that was acknowledged. */
  | { did: "told"; deployment: string; state: string }
  /** Firmware that came up and is fit, whether or not anybody heard of it yet. */
  | { did: "started"; version: string }
  /** A sign of life of fit firmware that was acknowledged. */
  | { did: "proved"; version: string }
);

export type Diary = { readonly deeds: readonly Deed[]; note(deed: WithoutTime<Deed>): void };

type WithoutTime<One> = One extends unknown ? Omit<One, "at"> : never;

export function openDiary(): Diary {
  const deeds: Deed[] = [];
  return {
    deeds,
    // The time is put beside what was said of one deed, which makes it that deed again.
    note: (deed) => void deeds.push({ ...deed, at: Date.now() } as Deed),
  };
}
