/**
 * One timer for thousands of devices. Things come up in the slot of their due time; a thing that is scheduled again earlier comes up
 * earlier, and later entries are dropped when they come up.
 */
export type Wheel<Thing extends { dueAt: number }> = {
  schedule(thing: Thing, at: number): void;
  /** What is due at `now`, each at most once. */
  take(now: number): Thing[];
};

export function createWheel<Thing extends { dueAt: number }>(tickMs: number): Wheel<Thing> {
  const slots = new Map<number, Thing[]>();
  let taken = Number.NEGATIVE_INFINITY;
  return {
    schedule(thing, at) {
      thing.dueAt = at;
      const slot = Math.max(Math.ceil(at / tickMs), taken + 1);
      const things = slots.get(slot);
      if (things) things.push(thing);
      else slots.set(slot, [thing]);
    },
    take(now) {
      const last = Math.floor(now / tickMs);
      if (taken === Number.NEGATIVE_INFINITY) taken = Math.min(...slots.keys(), last + 1) - 1;
      const due = new Set<Thing>();
      for (let slot = taken + 1; slot <= last; slot++) {
        for (const thing of slots.get(slot) ?? []) if (thing.dueAt <= now) due.add(thing);
        slots.delete(slot);
      }
      taken = Math.max(taken, last);
      for (const thing of due) thing.dueAt = Number.POSITIVE_INFINITY;
      return [...due];
    },
  };
}
