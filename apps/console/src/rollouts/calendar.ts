import type { Freeze } from "@tenfold/contracts";

/** A day of the calendar: its first moment, and the freezes that hold at some time of it. */
export type Day = { at: number; freezes: readonly Freeze[]; is: "past" | "today" | "coming" };

/** Weeks from the Monday of this one on, in the reader's own time zone. */
export function weeksFrom(now: number, { weeks, freezes }: { weeks: number; freezes: readonly Freeze[] }): Day[][] {
  const today = startOfDay(new Date(now));
  const monday = new Date(today);
  monday.setDate(today.getDate() - ((today.getDay() + 6) % 7));
  const held = freezes.filter(({ removedAt }) => removedAt === undefined);
  return Array.from({ length: weeks }, (_, week) =>
    Array.from({ length: 7 }, (_, day) => {
      // By the calendar and not by 24 h: two days of the year are not as long as the others.
      const from = new Date(monday.getFullYear(), monday.getMonth(), monday.getDate() + week * 7 + day);
      const to = new Date(from.getFullYear(), from.getMonth(), from.getDate() + 1);
      return {
        at: from.getTime(),
        is: from.getTime() === today.getTime() ? "today" : from < today ? "past" : "coming",
        freezes: held.filter((freeze) => Date.parse(freeze.from) < to.getTime() && Date.parse(freeze.to) > from.getTime()),
      };
    }),
  );
}

const startOfDay = (moment: Date): Date => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());

export type FreezeState = "holds" | "comes" | "over" | "removed";

export function freezeState({ from, to, removedAt }: Freeze, now: number): FreezeState {
  if (removedAt !== undefined) return "removed";
  if (Date.parse(to) <= now) return "over";
  return Date.parse(from) <= now ? "holds" : "comes";
}

/** The value of a field for a local date and time: `2026-12-20T00:00`. */
export function localField(at: number): string {
  const moment = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}T${two(moment.getHours())}:${two(moment.getMinutes())}`;
}

/** What such a field says as RFC 3339 UTC; undefined while it is not complete. */
export function readLocalField(text: string): string | undefined {
  const at = Date.parse(text);
  return text === "" || Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
