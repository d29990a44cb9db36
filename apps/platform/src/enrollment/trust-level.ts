/** What is known about where a device's key lives and who vouches for the device. Each part is a fact that was checked. */
export type TrustEvidence = {
  /** Who said that this device exists: the manufacturer's manifest, or a person (approval, one-time code). */
  readonly admittedBy: "manifest" | "person";
  /** Where the manufacturer's devices hold their keys, as the operator recorded it with the trust anchor. */
  readonly keyHeldIn: "software" | "secure_element";
  /** The newest attestation by a TPM; undefined when there was none. */
  readonly attestation?:
    | {
        /** Whether the TPM is genuine and has certified the key of the device's certificate. */
        readonly keyInTpm: boolean;
        /** Whether what the TPM measured at boot is a reference that the operator keeps. */
        readonly software: "matches" | "differs" | "unjudged";
      }
    | undefined;
};

export type TrustLevel = 0 | 1 | 2 | 3 | 4;

/** `because` and `next` are sentences for people: why it is no less, and what would make it more. */
export type TrustVerdict = { readonly level: TrustLevel; readonly because: string; readonly next?: string };

/**
 * How much an identity is worth (docs/protocol/enrollment.md 9): 0 software key let in by a person, 1 software key with manifest, 2 secure
 * element of a manufacturer that vouches for it, 3 key certified by a genuine TPM, 4 the same with software that matches a reference. Pure.
 */
export function trustLevel({ admittedBy, keyHeldIn, attestation }: TrustEvidence): TrustVerdict {
  if (attestation?.keyInTpm && attestation.software === "matches")
    return { level: 4, because: "The key lives in a genuine TPM, and what the TPM measured at boot matches a reference." };
  if (attestation?.keyInTpm)
    return { level: 3, because: "The key lives in a genuine TPM.", next: nextAfterTpm(attestation.software) };
  const next = "An attestation by a TPM would raise it to 3 or 4.";
  // A secure element says nothing about a serial number that nobody announced: a person's word stays the weakest link.
  if (admittedBy === "person") return { level: 0, because: "A person let it in.", next: "Announce it in a manifest." };
  if (keyHeldIn === "secure_element")
    return { level: 2, because: "Its manufacturer vouches that the key cannot leave its secure element.", next };
  return { level: 1, because: "Its serial number stood in a manifest; the key is software.", next };
}

const nextAfterTpm = (software: "matches" | "differs" | "unjudged"): string =>
  software === "differs"
    ? "What it measured at boot matches no reference: find out what runs there, or add the reference."
    : "Keep reference values for its model: tenfold attest reference create.";
