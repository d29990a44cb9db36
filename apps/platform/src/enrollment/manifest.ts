import type { TrustedAnchor } from "./identify.ts";

/** What is known of a serial number that stands in a manifest: `signedBy` is the fingerprint of the signing manufacturer's CA certificate. */
export type Announced = { readonly signedBy: string | undefined };

/** Whether a manufacturer's device counts as announced. Pure. */
export function judgeAnnounced(
  announced: Announced | undefined,
  anchor: Pick<TrustedAnchor, "certificate" | "manifests">,
): "announced" | "not_announced" | "not_signed" {
  if (announced === undefined) return "not_announced";
  if (announced.signedBy === anchor.certificate.fingerprint) return "announced";
  return anchor.manifests === "signed" ? "not_signed" : "announced";
}
