import { der, oids } from "@tenfold/pki";

/** [RFC 8951 4] What we would like in a request: an EC key on P-256, signed with ECDSA and SHA-256. */
export const requestAttributes = (): Buffer =>
  der.sequence(der.oid(oids.ecdsaWithSha256), der.sequence(der.oid(oids.ecPublicKey), der.setOf(der.oid(oids.p256))));
