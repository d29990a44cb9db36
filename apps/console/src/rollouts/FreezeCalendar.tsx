import type { Freeze } from "@tenfold/contracts";
import { useNow } from "../parts/now.ts";
import { type Day, weeksFrom } from "./calendar.ts";
import classes from "./rollouts.module.css";

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The next six weeks, a row a week; frozen days are hatched and say why. */
export function FreezeCalendar({ freezes }: { freezes: readonly Freeze[] }) {
  const weeks = weeksFrom(useNow(), { weeks: 6, freezes });
  return (
    <table className={classes.calendar} aria-label="Freeze calendar">
      <thead>
        <tr>
          {weekdays.map((day) => (
            <th key={day} scope="col">
              {day}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {weeks.map((week) => (
          <tr key={week[0]?.at}>
            {week.map((day, place) => (
              <Cell key={day.at} day={day} first={day.at === weeks[0]?.[0]?.at || (place === 0 && dateOf(day.at) <= 7)} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const dateOf = (at: number): number => new Date(at).getDate();

function Cell({ day: { at, freezes, is }, first }: { day: Day; first: boolean }) {
  const date = new Date(at);
  const words = freezes.map(({ reason }) => reason).join("; ");
  const name =
    first || date.getDate() === 1 ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : date.getDate();
  return (
    <td data-is={is} data-frozen={freezes.length > 0 || undefined} title={words === "" ? undefined : `Frozen: ${words}`}>
      <time dateTime={date.toISOString()} aria-current={is === "today" ? "date" : undefined}>
        {name}
      </time>
      {words !== "" && <span className={classes.why}>{words}</span>}
    </td>
  );
}
