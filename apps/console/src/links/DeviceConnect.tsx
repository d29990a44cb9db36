import type { Device } from "@tenfold/contracts";
import { CopyBlock } from "../parts/CopyLine.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { connectivityLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import classes from "../registry/registry.module.css";
import { connectSteps } from "./connect.ts";

/** Lines to copy that connect this very device, and the live answer to them. */
export function DeviceConnect({ device }: { device: Device }) {
  return (
    <Section title="Connect with openssl, curl and mosquitto" aside={<Heard device={device} />}>
      <ol className={classes.steps}>
        {connectSteps(device.id, location.hostname).map(({ title, why, lines }) => (
          <li key={title}>
            <h3>{title}</h3>
            <p>{why}</p>
            <CopyBlock lines={lines} label={title} />
          </li>
        ))}
      </ol>
    </Section>
  );
}

function Heard({ device }: { device: Device }) {
  return (
    <span role="status" style={{ display: "inline-flex", gap: 12 }}>
      <Status look={connectivityLook[device.connectivity.is]} />
      {device.lastContactAt ? (
        <span>
          heard <When at={device.lastContactAt} />
        </span>
      ) : (
        <span>waiting to hear from it …</span>
      )}
    </span>
  );
}
