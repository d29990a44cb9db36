import type { Connectivity, Lifecycle } from "@tenfold/contracts";
import { count } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { StackBar } from "../parts/StackBar.tsx";
import { Status } from "../parts/Status.tsx";
import { connectivityLook, lifecycleLook } from "../parts/tones.ts";
import { paths } from "../paths.ts";
import classes from "./overview.module.css";

type Props = { connectivity: Readonly<Record<string, number>>; lifecycle: Readonly<Record<string, number>> };

const order: readonly Connectivity["is"][] = ["online", "late", "offline", "never_seen"];
const unusual: readonly Lifecycle[] = ["pending", "expected", "suspended", "quarantined", "retired"];

/** How many devices can be reached, each number a way into the list. */
export function ReachBar({ connectivity, lifecycle }: Props) {
  return (
    <>
      <StackBar
        label="Devices by connectivity"
        legend="hidden"
        parts={order.map((is) => ({
          ...connectivityLook[is],
          n: connectivity[is] ?? 0,
          ...(is === "never_seen" ? { pattern: "faint" as const } : {}),
        }))}
      />
      <ul className={classes.reach}>
        {order.map((is) => (
          <li key={is}>
            <AppLink to={paths.devices({ filter: `status:${is}` })}>
              <b>{count(connectivity[is] ?? 0)}</b>
              <Status look={connectivityLook[is]} />
            </AppLink>
          </li>
        ))}
        {unusual
          .filter((state) => (lifecycle[state] ?? 0) > 0)
          .map((state) => (
            <li key={state}>
              <AppLink to={paths.devices({ filter: `lifecycle:${state}` })}>
                <b>{count(lifecycle[state] ?? 0)}</b>
                <Status look={lifecycleLook[state]} />
              </AppLink>
            </li>
          ))}
      </ul>
    </>
  );
}
