import { cli } from "../cli.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Section } from "../parts/Section.tsx";
import { paths } from "../paths.ts";
import classes from "./overview.module.css";

/** The first page of a new fleet: two ways to a first device, each one line. */
export function FirstDevice() {
  return (
    <>
      <p className={classes.first}>No devices yet. Two ways to your first ones; each shows up here by itself.</p>
      <div className={classes.halves}>
        <Section title="Without hardware: simulate a fleet">
          <p>Fifty virtual devices enroll with real certificates and send heartbeats and telemetry over mutual TLS.</p>
          <CopyLine line={cli.simulate(50)} label="Copy the command" />
        </Section>
        <Section title="With hardware: enroll one device">
          <p>Make a one-time code for its serial number, then let the device ask for its certificate with it.</p>
          <CopyLine line={cli.enrollCode("SERIAL")} label="Copy the command" />
          <p className={classes.more}>
            Devices of a manufacturer that you trust need no code: see <AppLink to={paths.enrollment()}>enrollment</AppLink>.
          </p>
        </Section>
      </div>
    </>
  );
}
