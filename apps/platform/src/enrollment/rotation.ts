import { unreachable } from "@tenfold/base";

/** What a rotation replaces, and how far it is. docs/operate/rotate-ca.md says what each phase means. */
export type RotationKind = "issuing" | "root";
export type RotationPhase = "distribute" | "serve" | "issue" | "done" | "aborted";

export type RotationPlan = {
  readonly kind: RotationKind;
  readonly phase: RotationPhase;
  readonly share: number;
  readonly heldBecause: string | undefined;
};

/** Counted in the registry and among the certificates, now. */
export type RotationFacts = {
  readonly activeDevices: number;
  readonly withNewTrust: number;
  readonly oldCertificates: number;
};

export type Gate = { readonly open: boolean; readonly waitsFor: string; readonly next: RotationPhase | undefined };

/** Whether the next phase may begin, and if not, what it waits for. Pure. A plan that is held waits for a person. */
export function judgeRotation(plan: RotationPlan, facts: RotationFacts): Gate {
  const { open, waitsFor, next } = judgePhase(plan, facts);
  if (plan.heldBecause === undefined || next === undefined) return { open, waitsFor, next };
  return { open: false, waitsFor: `a person: ${plan.heldBecause}`, next };
}

function judgePhase(plan: RotationPlan, facts: RotationFacts): Gate {
  switch (plan.phase) {
    case "distribute":
      return { ...judgeTrust(plan, facts, plan.share), next: "serve" };
    // The endpoints show the new chain now; whoever cannot believe it would have lost its trust until here.
    case "serve":
      return { ...judgeTrust(plan, facts, plan.share), next: "issue" };
    case "issue":
      return { ...judgeRetirement(plan, facts), next: "done" };
    case "done":
    case "aborted":
      return { open: false, waitsFor: "nothing", next: undefined };
    default:
      return unreachable(plan.phase);
  }
}

type Judged = Pick<Gate, "open" | "waitsFor">;

/** Under an issuing CA of the same root devices need no new trust: it is sent along with each certificate. */
function judgeTrust({ kind }: RotationPlan, { activeDevices, withNewTrust }: RotationFacts, share: number): Judged {
  if (kind === "issuing") return { open: true, waitsFor: "nothing" };
  const open = withNewTrust >= Math.ceil(activeDevices * share);
  const wanted = `${Math.ceil(activeDevices * share)} of ${activeDevices} active devices`;
  return { open, waitsFor: open ? "nothing" : `${wanted} to believe the new root; ${withNewTrust} do` };
}

/** Nobody is left behind: no certificate of the old authority is in use, and every active device believes the new root. */
function judgeRetirement(plan: RotationPlan, facts: RotationFacts): Judged {
  if (facts.oldCertificates > 0)
    return { open: false, waitsFor: `${facts.oldCertificates} certificates of the old authority to be renewed or to end` };
  return judgeTrust(plan, facts, 1);
}

/** An abort takes back what nobody depends on yet. */
export const mayAbort = (phase: RotationPhase): boolean => phase === "distribute" || phase === "serve";
