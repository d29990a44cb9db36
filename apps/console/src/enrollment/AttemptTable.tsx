import type { EnrollmentAttempt } from "@tenfold/contracts";
import { AppLink } from "../parts/AppLink.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import type { Look } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";

const verdictLook: Record<EnrollmentAttempt["verdict"], Look> = {
  issued: { word: "Issued", icon: "online", tone: "ok" },
  pending: { word: "Waits", icon: "late", tone: "warn" },
  refused: { word: "Refused", icon: "offline", tone: "bad" },
};

const operationWords: Record<EnrollmentAttempt["operation"], string> = {
  simpleenroll: "Enroll",
  simplereenroll: "Renew",
  link_renewal: "Renew over the link",
  connect: "Connect",
  attest: "Attestation",
};
const methodWords: Record<EnrollmentAttempt["method"], string> = {
  idevid: "with its manufacturer's certificate",
  one_time_code: "with a one-time code",
  ldevid: "with its own certificate",
  none: "with nothing to show",
};

const columns: readonly Column<EnrollmentAttempt>[] = [
  { title: "Verdict", cell: (each) => <Status look={verdictLook[each.verdict]} /> },
  {
    title: "Serial",
    cell: (each) => (each.device ? <AppLink to={paths.device(each.device)}>{each.device}</AppLink> : (each.serial ?? "unknown")),
  },
  { title: "Tried to", cell: (each) => `${operationWords[each.operation]} ${methodWords[each.method]}` },
  { title: "Decided at", cell: (each) => <code>{each.step}</code> },
  {
    title: "Why, and what to do",
    cell: (each) => (
      <>
        {each.reason}
        {each.fix && (
          <>
            {" "}
            <strong>{each.fix}</strong>
          </>
        )}
      </>
    ),
  },
  { title: "When", cell: (each) => <When at={each.at} /> },
];

/** Tries to enroll, with the check that decided and the way out. */
export function AttemptTable({ attempts }: { attempts: readonly EnrollmentAttempt[] }) {
  return <Table label="Enrollment attempts" columns={columns} rows={attempts} keyOf={(each) => each.id} />;
}
