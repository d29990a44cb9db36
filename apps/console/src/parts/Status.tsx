import { Icon } from "./icons.tsx";
import classes from "./parts.module.css";
import { type Look, toneColor } from "./tones.ts";

/** A state as shape and word. `title` says why, for those who point at it; the page says it in text too. */
export function Status({ look, title }: { look: Look; title?: string }) {
  return (
    <span className={classes.status} style={{ color: toneColor[look.tone] }} title={title}>
      <Icon name={look.icon} />
      {look.word}
    </span>
  );
}

/** The same on a tinted ground, for headers. */
export function Badge({ look }: { look: Look }) {
  return (
    <span className={classes.badge} style={{ "--tone": toneColor[look.tone] }}>
      <Icon name={look.icon} />
      {look.word}
    </span>
  );
}
