import { type ReactNode, useId } from "react";
import classes from "./parts.module.css";

type Props = { title: string; aside?: ReactNode; children: ReactNode };

/** A titled part of a page on its own ground. */
export function Section({ title, aside, children }: Props) {
  const id = useId();
  return (
    <section className={classes.section} aria-labelledby={id}>
      <header className={classes.sectionHead}>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** What to show where there is nothing yet: says why, and what brings something. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Names and values, as a description list; `wide` where the values are commands. */
export function Facts({ facts, wide }: { facts: readonly (readonly [name: string, value: ReactNode])[]; wide?: true }) {
  return (
    <dl className={classes.facts} data-wide={wide}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
