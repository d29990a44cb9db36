import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type Device } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { DeviceCommands } from "../commands/DeviceCommands.tsx";
import { DeviceIdentity } from "../enrollment/DeviceIdentity.tsx";
import { localTimes, sentence } from "../format.ts";
import { DeviceConnect } from "../links/DeviceConnect.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Facts, Section } from "../parts/Section.tsx";
import { Badge } from "../parts/Status.tsx";
import { useGo, useIdInPath, useSearchWord } from "../parts/search.ts";
import { connectivityLook, lifecycleLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { deviceTabs, paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { DeviceUpdates } from "../rollouts/DeviceUpdates.tsx";
import { Page } from "../shell/Page.tsx";
import { DeviceLogs } from "../telemetry/DeviceLogs.tsx";
import { DeviceTelemetry } from "../telemetry/DeviceTelemetry.tsx";
import { DeviceTimeline } from "./DeviceTimeline.tsx";
import { uptimeWords } from "./device.ts";
import { LifecycleActions } from "./LifecycleActions.tsx";
import { Tags } from "./Tags.tsx";

const above = <AppLink to={paths.devices()}>Devices</AppLink>;

/** One device: how it is in words, what can be done to it, and its past. */
export function DevicePage() {
  const id = useIdInPath();
  const device = useQuery({ ...ask(api.getDevice, { params: { id } }), refetchInterval: 10_000 });
  const known = device.data;
  return (
    <Page
      name={id}
      title={<span className="mono">{id}</span>}
      above={above}
      lead={known && localTimes(known.connectivity.because)}
      actions={known && <LifecycleActions device={known} />}
      cli={cli.device(id)}
    >
      <Answer of={device} lines={8}>
        {(found) => (
          <>
            <Summary device={found} />
            <DeviceTabs device={found} />
          </>
        )}
      </Answer>
    </Page>
  );
}

function Summary({ device }: { device: Device }) {
  const { firmware, refusedInputs } = device;
  return (
    <Section title="At a glance" aside={<Tags tags={device.tags} />}>
      <Facts
        facts={[
          ["Connectivity", <Badge key="is" look={connectivityLook[device.connectivity.is]} />],
          ["Lifecycle", <Badge key="lifecycle" look={lifecycleLook[device.lifecycle]} />],
          ["Model", device.model ?? "not told yet"],
          ["Hardware revision", device.hardwareRevision ?? "not told"],
          ["Firmware", firmware ? <FirmwareWords key="fw" firmware={firmware} /> : "not told yet"],
          ["Last contact", device.lastContactAt ? <When key="contact" at={device.lastContactAt} /> : "never"],
          ["Expected to speak", device.leaseUntil ? <When key="lease" at={device.leaseUntil} past="was due" /> : "–"],
          ["Running since boot", uptimeWords(device.uptimeS)],
          [
            "Refused inputs",
            refusedInputs.count === 0
              ? "none"
              : `${refusedInputs.count}${refusedInputs.lastReason ? `, last: ${refusedInputs.lastReason}` : ""}`,
          ],
        ]}
      />
    </Section>
  );
}

function FirmwareWords({ firmware }: { firmware: NonNullable<Device["firmware"]> }) {
  return (
    <>
      <code>{firmware.version}</code> {firmware.state}
      {firmware.slot && ` in slot ${firmware.slot}`}
    </>
  );
}

function DeviceTabs({ device }: { device: Device }) {
  const word = useSearchWord("tab");
  const go = useGo();
  const tab = deviceTabs.find((each) => each === word) ?? "timeline";
  const select = (next: string | null) => {
    const known = deviceTabs.find((each) => each === next);
    if (known) go(paths.device(device.id, known === "timeline" ? {} : { tab: known }), "replace");
  };
  return (
    <Tabs value={tab} onChange={select} keepMounted={false}>
      <Tabs.List mb="md">
        {deviceTabs.map((each) => (
          <Tabs.Tab key={each} value={each}>
            {sentence(each)}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {deviceTabs.map((each) => (
        <Tabs.Panel key={each} value={each}>
          {each === tab && <Panel tab={each} device={device} />}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}

function Panel({ tab, device }: { tab: (typeof deviceTabs)[number]; device: Device }) {
  switch (tab) {
    case "timeline":
      return <DeviceTimeline id={device.id} />;
    case "telemetry":
      return <DeviceTelemetry id={device.id} />;
    case "commands":
      return <DeviceCommands id={device.id} />;
    case "updates":
      return <DeviceUpdates id={device.id} />;
    case "identity":
      return <DeviceIdentity device={device} />;
    case "connect":
      return <DeviceConnect device={device} />;
    case "logs":
      return <DeviceLogs id={device.id} />;
  }
}
