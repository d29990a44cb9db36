import { der, oids } from "@tenfold/pki";
import type { LinkingDemand } from "./linking.ts";

/** [RFC 8951 4] What we would like in a request: an EC key on P-256, ECDSA with SHA-256, and linking where it is demanded [E16] [E22]. */
export const requestAttributes = (demand: LinkingDemand): Buffer =>
  der.sequence(
    der.oid(oids.ecdsaWithSha256),
    der.sequence(der.oid(oids.ecPublicKey), der.setOf(der.oid(oids.p256))),
    ...(demand === "required" ? [der.oid(oids.challengePassword), der.oid(oids.estIdentityLinking)] : []),
  );
