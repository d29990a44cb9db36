import { useQuery } from "@tanstack/react-query";
import { api, type Device } from "@tenfold/contracts";
import { CopyBlock } from "../parts/CopyLine.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { connectivityLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import classes from "../registry/registry.module.css";
import { connectSteps } from "./connect.ts";

const usualPorts = { https: 8443, mqtt: 8883 };

/** Lines to copy that connect this very device, and the live answer to them. */
export function DeviceConnect({ device }: { device: Device }) {
  const version = useQuery(ask(api.getVersion, {}));
  const ports = version.data?.devicePorts ?? usualPorts;
  return (
    <Section title="Connect with openssl, curl and mosquitto" aside={<Heard device={device} />}>
      <ol className={classes.steps}>
        {connectSteps(device.id, { host: location.hostname, ...ports }).map(({ title, why, lines }) => (
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
