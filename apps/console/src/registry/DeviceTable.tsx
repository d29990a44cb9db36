// biome-ignore-all lint/a11y/useSemanticElements: rows of a <table> cannot be placed by a virtual list
// biome-ignore-all lint/a11y/useFocusableInteractive: rows and headers of this table only show; the links in them take the focus
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import type { Device } from "@tenfold/contracts";
import { useEffect, useRef } from "react";
import { AppLink } from "../parts/AppLink.tsx";
import { Status } from "../parts/Status.tsx";
import { connectivityLook, lifecycleLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import classes from "./registry.module.css";
import { Tags } from "./Tags.tsx";

type Props = { devices: readonly Device[]; total: number; more: (() => void) | undefined };

const rowHeight = 38;
const titles = ["Status", "Device", "Model", "Firmware", "Last contact", "Tags"];

/** Rows that exist only while they are on screen, so that fifty thousand cost what fifty do. */
export function DeviceTable({ devices, total, more }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const rows = useWindowVirtualizer({
    count: devices.length,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: body.current?.offsetTop ?? 0,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last >= devices.length - 30) more();
  }, [more, last, devices.length]);
  return (
    <div role="table" aria-label="Devices" aria-rowcount={total + 1} className={classes.grid}>
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} className={classes.gridHead}>
          {titles.map((title) => (
            <span role="columnheader" key={title}>
              {title}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={body} style={{ height: rows.getTotalSize(), position: "relative" }}>
        {shown.map((row) => {
          const device = devices[row.index];
          return (
            device && <DeviceRow key={device.id} device={device} index={row.index} top={row.start - rows.options.scrollMargin} />
          );
        })}
      </div>
    </div>
  );
}

function DeviceRow({ device, index, top }: { device: Device; index: number; top: number }) {
  const unusual = device.lifecycle !== "active";
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className={classes.gridRow}
      style={{ transform: `translateY(${top}px)`, height: rowHeight }}
    >
      <span role="cell">
        {unusual ? (
          <Status look={lifecycleLook[device.lifecycle]} title={device.connectivity.because} />
        ) : (
          <Status look={connectivityLook[device.connectivity.is]} title={device.connectivity.because} />
        )}
      </span>
      <span role="cell">
        <AppLink to={paths.device(device.id)} className={classes.id}>
          {device.id}
        </AppLink>
      </span>
      <span role="cell">{device.model ?? "–"}</span>
      <span role="cell">
        {device.firmware ? <code>{device.firmware.version}</code> : "–"}
        {device.firmware?.state === "trial" && <em className={classes.trial}> on trial</em>}
      </span>
      <span role="cell">{device.lastContactAt ? <When at={device.lastContactAt} /> : "never"}</span>
      <span role="cell">
        <Tags tags={device.tags} />
      </span>
    </div>
  );
}
