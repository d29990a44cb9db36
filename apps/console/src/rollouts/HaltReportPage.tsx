import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type HaltReport } from "@tenfold/contracts";
import type { ReactNode } from "react";
import { cli } from "../cli.ts";
import { absolute, count, counted, localTimes, sentence, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Icon } from "../parts/icons.tsx";
import { useIdInPath } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { gatesOf, otherFacts } from "./evidence.ts";
import { GateMeter } from "./GateMeter.tsx";
import classes from "./report.module.css";

/** The halt of a rollout on a page that prints well: who, when, why, how many, what crashed, and what to do next. */
export function HaltReportPage() {
  const id = useIdInPath();
  const report = useQuery(ask(api.getHaltReport, { params: { id } }));
  const known = report.data;
  const name = known ? `Halt of ${known.release.name} ${known.release.version}` : `Halt of ${id}`;
  return (
    <Page
      title={name}
      name={name}
      above={<AppLink to={paths.rollout(id)}>Rollout {id}</AppLink>}
      lead={known && localTimes(known.because)}
      actions={known && <Take report={known} />}
      cli={cli.haltReport(id)}
    >
      <Answer of={report} lines={12}>
        {(found) => <Report report={found} />}
      </Answer>
    </Page>
  );
}

function Take({ report }: { report: HaltReport & { markdown: string } }) {
  const download = () => {
    const address = URL.createObjectURL(new Blob([report.markdown], { type: "text/markdown" }));
    const link = Object.assign(document.createElement("a"), { href: address, download: `halt-${report.rollout}.md` });
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <>
      <Button size="xs" variant="default" leftSection={<Icon name="print" size={14} />} onClick={() => window.print()}>
        Print
      </Button>
      <Button size="xs" variant="default" onClick={download}>
        Markdown
      </Button>
    </>
  );
}

function Report({ report }: { report: HaltReport }) {
  const { blast, firstFailure, signatures, evidence, reasons, timeline, nextSteps } = report;
  return (
    <article className={classes.report}>
      <p>
        Started by <b>{report.startedBy}</b> on {absolute(Date.parse(report.startedAt))}; halted on{" "}
        {absolute(Date.parse(report.haltedAt))} in {report.stage === 0 ? "the canary" : `stage ${report.stage + 1}`} by{" "}
        {report.decidedBy === "gate" ? "a gate" : "a person"}. It is {words(report.phase)} now.
      </p>
      <dl className={classes.blast} aria-label="Blast radius">
        <Figure name="exposed" of={`of ${counted(blast.targets, "target")}`} n={blast.exposed} />
        <Figure name="harmed" of={`${count(blast.returned)} heard again`} n={blast.harmed} />
        <Figure name="restored" of="on their last good release" n={blast.restored} />
        <Figure name="not restored" of="named on the rollout's page" n={blast.notRestored} />
        <Figure name="never offered it" of="because the halt came first" n={blast.heldBack} />
      </dl>
      <Part title="What to do next">
        <ol className={classes.steps}>
          {nextSteps.map((step) => (
            <li key={step}>
              <Said text={step} />
            </li>
          ))}
        </ol>
      </Part>
      <Part title="First failure">
        {firstFailure ? (
          <>
            <p>
              <AppLink to={paths.device(firstFailure.device, { tab: "updates" })}>{firstFailure.device}</AppLink> on{" "}
              {absolute(Date.parse(firstFailure.at))}: {words(firstFailure.state)}
              {firstFailure.reason && ` (${words(firstFailure.reason)})`}. {firstFailure.detail}
            </p>
            {firstFailure.log.length > 0 && <pre>{firstFailure.log.join("\n")}</pre>}
          </>
        ) : (
          <p>No device failed: a guard or a person halted it.</p>
        )}
      </Part>
      <Part title="What the gates saw">
        <Gates evidence={evidence} />
      </Part>
      <Part title="Crashes">
        <List empty="No crash was received." items={signatures.map((one) => [one.signature, crashLine(one)])} />
      </Part>
      <Part title="Reasons of failure">
        <List
          empty="None was given."
          items={reasons.map(({ reason, devices }) => [reason, `${counted(devices, "device")}: ${words(reason)}`])}
        />
      </Part>
      <Part title="Timeline">
        <table className={classes.timeline} aria-label="Timeline">
          <tbody>
            {timeline.map(({ at, what, because }, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: two turns may be alike in all they say
              <tr key={place}>
                <th scope="row">{absolute(Date.parse(at))}</th>
                <td>
                  <b>{sentence(what)}</b> {localTimes(because)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Part>
    </article>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Figure({ name, of, n }: { name: string; of: string; n: number }) {
  return (
    <div>
      <dd>{count(n)}</dd>
      <dt>
        {name}
        <small>{of}</small>
      </dt>
    </div>
  );
}

function Gates({ evidence }: Pick<HaltReport, "evidence">) {
  // How many were exposed and harmed stands at the top of the page.
  const facts = otherFacts(evidence).filter(([name]) => !["harmed", "exposed"].includes(name));
  const gates = gatesOf(evidence);
  if (gates.length === 0 && facts.length === 0) return <p>A person halted it: no gate was asked.</p>;
  return (
    <>
      {gates.map((gate) => (
        <GateMeter key={gate.name} gate={gate} />
      ))}
      {facts.length > 0 && <p>{facts.map(([name, value]) => `${name}: ${value}`).join("; ")}</p>}
    </>
  );
}

function List({ items, empty }: { items: readonly [key: string, line: string][]; empty: string }) {
  if (items.length === 0) return <p>{empty}</p>;
  return (
    <ul>
      {items.map(([key, line]) => (
        <li key={key}>{line}</li>
      ))}
    </ul>
  );
}

const crashLine = ({ devices, crashes, title, frames }: HaltReport["signatures"][number]): string =>
  `${counted(devices, "device")}, ${counted(crashes, "crash", "crashes")}: ${title}${frames.length > 0 ? ` at ${frames.join(" < ")}` : ""}`;

/** A sentence with its commands, which stand in backticks, as code. */
function Said({ text }: { text: string }) {
  return text.split("`").map((part, place) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one sentence never move
    place % 2 === 1 ? <code key={place}>{part}</code> : part,
  );
}
