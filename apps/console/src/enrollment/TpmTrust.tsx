import { useQuery } from "@tanstack/react-query";
import { type AttestationReference, api, type TpmMaker } from "@tenfold/contracts";
import { absolute, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const makerColumns: readonly Column<TpmMaker>[] = [
  { title: "Maker", cell: (each) => each.name },
  { title: "Subject", cell: (each) => <code>{each.subject}</code> },
  { title: "Fingerprint", cell: (each) => <code title={each.fingerprint}>{short(each.fingerprint, 20)}</code> },
  { title: "Ends", cell: (each) => absolute(Date.parse(each.notAfter)) },
];

const referenceColumns: readonly Column<AttestationReference>[] = [
  { title: "Reference", cell: (each) => `${each.name} ${each.generation}` },
  { title: "Model", cell: (each) => each.model ?? "all" },
  { title: "PCRs", cell: (each) => Object.keys(each.pcrs).join(", ") },
  { title: "Kept by", cell: (each) => each.createdBy },
  { title: "Since", cell: (each) => <When at={each.createdAt} /> },
  { title: "Counts", cell: (each) => (each.retiredAt ? "no longer" : "yes") },
];

/** Which TPMs are believed, and what they should have measured. */
export function TpmTrust() {
  const makers = useQuery(ask(api.listTpmMakers, {}));
  const references = useQuery(ask(api.listAttestationReferences, {}));
  return (
    <>
      <Section title="TPM makers">
        <Answer of={makers}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No TPM maker is believed yet.">
                Devices cannot attest until one is: <code>tenfold attest maker CA.pem --name NAME</code>.
              </Empty>
            ) : (
              <Table label="TPM makers" columns={makerColumns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
      <Section title="Reference values">
        <Answer of={references}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="There is no reference for what TPMs measure.">
                Take one from a device that is right: <code>tenfold attest reference NAME --device ID</code>.
              </Empty>
            ) : (
              <Table label="Reference values" columns={referenceColumns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
    </>
  );
}
