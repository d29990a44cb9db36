import { count, percent } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty } from "../parts/Section.tsx";
import { paths } from "../paths.ts";
import classes from "./overview.module.css";

/** Which firmware runs where, most common first. */
export function FirmwareShares({ firmware, total }: { firmware: readonly { version: string; devices: number }[]; total: number }) {
  const shown = firmware.toSorted((a, b) => b.devices - a.devices).slice(0, 6);
  const rest = firmware.length - shown.length;
  if (shown.length === 0) return <Empty title="No device has told its firmware yet.">It stands in every heartbeat.</Empty>;
  return (
    <>
      <ul className={classes.firmware}>
        {shown.map(({ version, devices }) => (
          <li key={version}>
            <AppLink to={paths.devices({ filter: `fw:${version}` })}>
              <code>{version}</code>
            </AppLink>
            <span className={classes.firmwareBar}>
              <i style={{ width: `${(devices / Math.max(1, total)) * 100}%` }} />
            </span>
            <b>{count(devices)}</b>
            <span>{percent(devices / Math.max(1, total), 1)}</span>
          </li>
        ))}
      </ul>
      {rest > 0 && <p className={classes.more}>and {count(rest)} more versions</p>}
    </>
  );
}
