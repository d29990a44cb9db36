import { createHash, randomBytes } from "node:crypto";

export type SecretKind = "tf" | "tfl" | "tfs";

/** A new secret with 256 bits of chance: `tf_` a service account's token, `tfl_` a one-time link's, `tfs_` a session's. */
export const newSecret = (kind: SecretKind): string => `${kind}_${randomBytes(32).toString("base64url")}`;

/** What is stored of a secret. Looking up by this hash compares in a time that tells nothing about the secret. */
export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();

export const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");
