import { count } from "../format.ts";
import classes from "./parts.module.css";
import { type Tone, toneColor } from "./tones.ts";

export type Part = { word: string; n: number; tone: Tone; pattern?: "hatched" | "faint" };

/** Shares of a whole as one bar; the legend under it says the same in words and numbers. */
export function StackBar({
  parts,
  label,
  legend = "shown",
}: {
  parts: readonly Part[];
  label: string;
  legend?: "shown" | "hidden";
}) {
  const present = parts.filter((part) => part.n > 0);
  const summary = present.map((part) => `${count(part.n)} ${part.word.toLowerCase()}`).join(", ");
  return (
    <div>
      <div className={classes.bar} role="img" aria-label={`${label}: ${summary === "" ? "nothing" : summary}`}>
        {present.map((part) => (
          <span
            key={part.word}
            data-pattern={part.pattern}
            style={{ "--tone": toneColor[part.tone], flexGrow: part.n }}
            title={`${count(part.n)} ${part.word.toLowerCase()}`}
          />
        ))}
      </div>
      {legend === "shown" && (
        <ul className={classes.legend}>
          {present.map((part) => (
            <li key={part.word}>
              <i data-pattern={part.pattern} style={{ "--tone": toneColor[part.tone] }} />
              <b>{count(part.n)}</b> {part.word.toLowerCase()}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
