import { timingSafeEqual } from "node:crypto";
import { type CertificateRequest, fromBase64, spkiFingerprint } from "@tenfold/pki";
import { type Refused, refuse } from "./attempt.ts";

/** Whether a request must name the TLS connection that carries it, may, or is taken whatever it says. */
export type LinkingDemand = "optional" | "required" | "ignored";

export type Linking = {
  readonly demand: LinkingDemand;
  /** What both ends of this connection know and nobody else: tls-unique (TLS 1.2) or tls-exporter (TLS 1.3, RFC 9266). */
  readonly binding: Uint8Array | undefined;
};

/** [E25] What a label of the path asks for. No label and any other label say nothing: many clients cannot send one. */
export function demandOf(label: string | undefined, setting: Exclude<LinkingDemand, "ignored">): LinkingDemand {
  if (setting === "required" || label === "linked") return "required";
  return label === "unlinked" ? "ignored" : "optional";
}

/** [RFC 5929] [RFC 9266] tls-unique has 12 bytes, tls-exporter 32. */
const bindingSizes = [12, 32];
const sendLinking =
  "Put base64 of tls-unique (TLS 1.2) or tls-exporter (TLS 1.3) into challengePassword or estIdentityLinking; csrattrs asks for it.";

/**
 * [RFC 7030 3.5] Whether the request was made for this very connection, so that a request which somebody else saw or relays is of no use.
 * `claimed` is what it says in estIdentityLinking or challengePassword. Undefined when there is nothing to say against it.
 */
export function judgeLinking(claimed: string | undefined, { demand, binding }: Linking): Refused | undefined {
  if (demand === "ignored") return undefined;
  const no = (because: "linking_missing" | "linking_unreadable" | "linking_differs", reason: string, fix: string) =>
    refuse({ step: "linking", because, reason, fix, status: 403 });
  if (claimed === undefined || claimed === "") {
    if (demand === "optional") return undefined;
    return no("linking_missing", "The request names no TLS connection, and this server demands it.", sendLinking);
  }
  const value = decoded(claimed);
  // [E18] A challenge password from a template is not linking, and never a secret.
  if (value === undefined || !bindingSizes.includes(value.length)) {
    return no(
      "linking_unreadable",
      "The challengePassword of the request is not the base64 of a TLS channel binding.",
      "Leave challengePassword out of the request, or use the path /.well-known/est/unlinked/… where it is ignored.",
    );
  }
  if (binding !== undefined && value.length === binding.length && timingSafeEqual(value, binding)) return undefined;
  return no("linking_differs", "The request names another TLS connection than the one that carries it.", sendLinking);
}

function decoded(text: string): Buffer | undefined {
  try {
    return fromBase64(text);
  } catch {
    return undefined;
  }
}

/** [E24] What makes two requests the same one. A linked request is new on each connection, so there its key says it. */
export const repeatOf = ({ linking, infoHash, publicKey }: CertificateRequest): string =>
  linking === undefined ? infoHash : `key:${spkiFingerprint(publicKey.der)}`;
