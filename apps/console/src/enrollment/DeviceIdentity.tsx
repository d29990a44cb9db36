import { useQuery } from "@tanstack/react-query";
import { api, type Certificate, type Device } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { absolute, sentence, short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import classes from "../registry/registry.module.css";
import { AttemptTable } from "./AttemptTable.tsx";
import { DeviceAttestation } from "./DeviceAttestation.tsx";
import { Moves } from "./Moves.tsx";
import { trustLevels } from "./trust.ts";

/** Who the device is, how much that is worth, and how it got its certificates. */
export function DeviceIdentity({ device }: { device: Device }) {
  const certificates = useQuery(ask(api.listCertificates, { query: { device: device.id, limit: 50 } }));
  const trust = useQuery(ask(api.getDeviceTrust, { params: { id: device.id } }));
  const attempts = useQuery(ask(api.listEnrollmentAttempts, { query: { serial: device.id, limit: 20 } }));
  return (
    <div className={classes.steps}>
      <Section title={`Trust level ${device.trustLevel} of 4`}>
        <ol className={classes.trust}>
          {trustLevels.map(({ name, meaning }, level) => (
            <li key={name} aria-current={level === device.trustLevel} data-below={level < device.trustLevel}>
              <b>
                {level} · {name}
              </b>
              {meaning}
            </li>
          ))}
        </ol>
        <Answer of={trust}>
          {({ because, next }) => (
            <p style={{ marginTop: 12 }}>
              {because} {next}
            </p>
          )}
        </Answer>
      </Section>
      <DeviceAttestation device={device.id} />
      <Section title="Certificates">
        <Answer of={certificates}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No certificate was issued to this device yet." />
            ) : (
              <Table label="Certificates" columns={columns} rows={items} keyOf={(each) => each.serialNumber} />
            )
          }
        </Answer>
      </Section>
      <Moves device={device} />
      <Section title="Enrollment attempts">
        <Answer of={attempts}>
          {({ items }) => (items.length === 0 ? <Empty title="No attempt to enroll yet." /> : <AttemptTable attempts={items} />)}
        </Answer>
      </Section>
    </div>
  );
}

const columns: readonly Column<Certificate>[] = [
  { title: "State", cell: (each) => `${sentence(each.state)}${each.revokedBecause ? `: ${each.revokedBecause}` : ""}` },
  {
    title: "Fingerprint",
    cell: (each) => <code title={each.fingerprint}>{short(each.fingerprint, 20)}</code>,
  },
  { title: "Valid from", cell: (each) => absolute(Date.parse(each.notBefore)) },
  {
    title: "Ends",
    cell: (each) => (
      <>
        <When at={each.notAfter} />
      </>
    ),
  },
  { title: "Change", cell: (each) => <Revoke certificate={each} /> },
];

function Revoke({ certificate }: { certificate: Certificate }) {
  const allowed = useMay(api.revokeCertificate);
  if (!["issued", "active"].includes(certificate.state)) return null;
  return (
    <ActionButton
      operation={api.revokeCertificate}
      callWith={(reason) => ({ params: { serialNumber: certificate.serialNumber }, body: { reason } })}
      verb="Revoke"
      icon="cross"
      title="Revoke this certificate"
      allowed={allowed}
      cli={cli.revokeCertificate(certificate.serialNumber)}
      danger
    >
      Live connections that use it are closed, and it opens no new one. The device must enroll anew.
    </ActionButton>
  );
}
