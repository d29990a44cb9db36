import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { forbidden } from "../access/forbidden.ts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { count } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { AttemptTable } from "./AttemptTable.tsx";
import { PendingTable } from "./PendingTable.tsx";
import { TpmTrust } from "./TpmTrust.tsx";
import { TrustAnchors } from "./TrustAnchors.tsx";

/** Who asks to come in, who came in, and whose word counts. */
export function EnrollmentPage() {
  const allowed = useMay(api.listPendingEnrollments);
  return (
    <Page
      title="Enrollment"
      name="Enrollment"
      cli={cli.enrollment()}
      lead="Devices never ship with a shared secret. Each proves its manufacturer's certificate, or a one-time code, and gets a certificate of its own."
    >
      {allowed.allowed ? <Enrollment /> : <ProblemNote error={forbidden(allowed.because)} />}
    </Page>
  );
}

function Enrollment() {
  const pending = useQuery({ ...ask(api.listPendingEnrollments, {}), refetchInterval: 15_000 });
  const attempts = useQuery(ask(api.listEnrollmentAttempts, { query: { limit: 100 } }));
  return (
    <>
      <Section title={pending.data ? `Waiting for approval (${count(pending.data.items.length)})` : "Waiting for approval"}>
        <Answer of={pending}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="Nobody waits.">A device that proves its manufacturer but stands in no manifest appears here.</Empty>
            ) : (
              <PendingTable pending={items} />
            )
          }
        </Answer>
      </Section>
      <TrustAnchors />
      <TpmTrust />
      <Section title="Attempt log">
        <Answer of={attempts} lines={8}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No device has tried to enroll yet.">
                Make a one-time code for a first one:
                <CopyLine line={cli.enrollCode("SERIAL")} label="Copy the command" />
              </Empty>
            ) : (
              <AttemptTable attempts={items} />
            )
          }
        </Answer>
      </Section>
    </>
  );
}
