import { AppLink } from "../parts/AppLink.tsx";
import { paths } from "../paths.ts";
import { tagFilter } from "./filter.ts";
import classes from "./registry.module.css";

/** Tags, each a way to all devices that carry it. */
export function Tags({ tags }: { tags: Readonly<Record<string, string>> }) {
  const given = Object.entries(tags);
  if (given.length === 0) return null;
  return (
    <span className={classes.tags}>
      {given.map(([name, value]) => (
        <AppLink key={name} to={paths.devices({ filter: tagFilter(name, value) })} className={classes.tag}>
          {name}={value}
        </AppLink>
      ))}
    </span>
  );
}
