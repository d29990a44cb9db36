import assert from "node:assert/strict";
import { test } from "node:test";
import type { Freeze } from "@tenfold/contracts";
import { freezeState, localField, readLocalField, weeksFrom } from "./calendar.ts";

const at = (text: string) => new Date(text).getTime();
const freeze = (from: string, to: string, more: Partial<Freeze> = {}): Freeze => ({
  ...{ id: "frz_1", reason: "season", createdBy: "ada", createdAt: new Date(0).toISOString() },
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  ...more,
});

test("the calendar begins on this week's Monday and says which days are frozen, also in part", () => {
  const weeks = weeksFrom(at("2026-12-17T15:00"), { weeks: 3, freezes: [freeze("2026-12-23T18:00", "2026-12-25T00:00")] });
  assert.deepEqual([weeks.length, weeks[0]?.length], [3, 7]);
  assert.equal(localField(weeks[0]?.[0]?.at ?? 0), "2026-12-14T00:00");
  assert.deepEqual(
    weeks[0]?.map(({ is }) => is),
    ["past", "past", "past", "today", "coming", "coming", "coming"],
  );
  const frozen = weeks.flat().filter(({ freezes }) => freezes.length > 0);
  assert.deepEqual(
    frozen.map(({ at }) => localField(at)),
    ["2026-12-23T00:00", "2026-12-24T00:00"],
    "the end is not part of it",
  );
});

test("a freeze that was taken out of the calendar freezes no day", () => {
  const removed = freeze("2026-12-23T18:00", "2026-12-25T00:00", { removedAt: new Date(0).toISOString() });
  assert.ok(
    weeksFrom(at("2026-12-17T15:00"), { weeks: 3, freezes: [removed] })
      .flat()
      .every(({ freezes }) => freezes.length === 0),
  );
  assert.equal(freezeState(removed, at("2026-12-24T00:00")), "removed");
});

test("a freeze comes, holds and is over", () => {
  const one = freeze("2026-12-23T18:00", "2026-12-25T00:00");
  const states = ["2026-12-23T17:59", "2026-12-23T18:00", "2026-12-25T00:00"].map((moment) => freezeState(one, at(moment)));
  assert.deepEqual(states, ["comes", "holds", "over"]);
});

test("a field of local time is read back to the same moment", () => {
  const moment = at("2026-07-01T09:30");
  assert.equal(readLocalField(localField(moment)), new Date(moment).toISOString());
  assert.equal(readLocalField(""), undefined);
});
