import type { IdentityNotice } from "@tenfold/contracts";
import type { RotationKind, RotationPhase } from "./rotation.ts";

/** What devices are told about identity, as far as it is the same for all of them. */
export type NoticeFacts = {
  /** Grows with every change of the roots. */
  readonly generation: number;
  /** SHA-256 of each root that devices should believe, in hex. */
  readonly roots: readonly string[];
  /** The key identifier of the issuing CA that goes, while certificates come from another one. */
  readonly leaving: string | undefined;
  /** Over how long devices are spread, in milliseconds. */
  readonly within: number;
};

/** The notice for one device. `issuer` is the key identifier of the CA that issued its newest certificate. Pure. */
export function noticeFor(
  { generation, roots, leaving, within }: NoticeFacts,
  issuer: string | undefined,
  now: number,
): IdentityNotice {
  const withinS = Math.ceil(within / 1_000);
  return {
    trust: { generation, roots: [...roots], withinS },
    ...(leaving !== undefined && issuer === leaving ? { renewWithinS: withinS } : {}),
    time: new Date(now).toISOString(),
  };
}

/** The generation of the roots that devices should believe: a root's rotation changes them at its beginning and at its end, an aborted one's too. */
export const generationOf = (rotations: readonly { readonly kind: RotationKind; readonly phase: RotationPhase }[]): number =>
  rotations
    .filter(({ kind }) => kind === "root")
    .reduce((sum, { phase }) => sum + (phase === "done" || phase === "aborted" ? 2 : 1), 1);
