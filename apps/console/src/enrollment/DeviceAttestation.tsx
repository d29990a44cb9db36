import { useQuery } from "@tanstack/react-query";
import { type Attestation, api } from "@tenfold/contracts";
import { sentence, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import classes from "../registry/registry.module.css";

/** What the device's TPM said, and what it was worth. */
export function DeviceAttestation({ device }: { device: string }) {
  const attestations = useQuery(ask(api.listAttestations, { query: { device, limit: 20 } }));
  return (
    <Section title="Attestation by its TPM">
      <Answer of={attestations}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="This device has not attested.">
              With its keys in a TPM it does before it enrolls and renews; ask for it with{" "}
              <code>tenfold device run {device} attest --wait</code>.
            </Empty>
          ) : (
            <>
              <Table label="Attestations" columns={columns} rows={items} keyOf={(each) => each.id} />
              <Measured by={items.find(({ pcrs }) => pcrs !== undefined)} />
            </>
          )
        }
      </Answer>
    </Section>
  );
}

function Measured({ by: newest }: { by: Attestation | undefined }) {
  if (newest?.pcrs === undefined) return null;
  return (
    <details className={classes.pcrs}>
      <summary>What it measured at boot (SHA-256 PCRs){newest.reference ? `, as ${newest.reference}` : ""}</summary>
      <dl>
        {Object.entries(newest.pcrs).map(([pcr, value]) => (
          <div key={pcr}>
            <dt>PCR {pcr}</dt>
            <dd>
              <code>{value}</code>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

const software = { matches: "Matches", differs: "Matches no reference", unjudged: "Not judged" } as const;

const columns: readonly Column<Attestation>[] = [
  { title: "When", cell: (each) => <When at={each.at} /> },
  {
    title: "Verdict",
    cell: (each) => `${sentence(each.verdict)}${each.failedCheck ? `: ${each.failedCheck.replaceAll("_", " ")}` : ""}`,
  },
  { title: "Software", cell: (each) => (each.verdict === "passed" ? (each.reference ?? software[each.software]) : "") },
  { title: "TPM", cell: (each) => <code title={each.ekFingerprint}>{each.maker ?? short(each.ekFingerprint ?? "", 12)}</code> },
  { title: "Resets", cell: (each) => each.resetCount?.toString() ?? "" },
  { title: "Because", cell: (each) => each.because },
];
