import { z } from "zod";

/**
 * What a device gets at `identity/certificate` for the certificate request that it published at `identity/renewal` (base64 of DER, as EST
 * takes it). `request` is the SHA-256 of what was published, lower-case hex: an answer to another request is not for it.
 */
export const renewalAnswer = z.discriminatedUnion("is", [
  z.object({
    is: z.literal("issued"),
    request: z.string().regex(/^[0-9a-f]{64}$/),
    /** The new certificate, base64 of DER. */
    certificate: z.base64(),
  }),
  z.object({
    is: z.literal("refused"),
    request: z.string().regex(/^[0-9a-f]{64}$/),
    /** One of docs/protocol/enrollment.md clause 4.5. */
    code: z.string(),
    detail: z.string(),
    fix: z.string().optional(),
    /** Present where the same request may be made again, and after how long. */
    retryAfterS: z.number().min(0).max(86_400).optional(),
  }),
]);
export type RenewalAnswer = z.infer<typeof renewalAnswer>;
