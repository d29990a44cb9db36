import { z } from "zod";

const seconds = z
  .number()
  .min(0)
  .max(31 * 86_400);

/**
 * What stands at `identity` (topic `devices/{id}/identity`, path `/v1/identity`): which roots to believe, whether the device's certificate
 * comes from an authority that goes, and what time it is. Told on every connection and whenever it changes.
 */
export const identityNotice = z.object({
  trust: z.object({
    /** Grows with every change of the roots that devices should believe. */
    generation: z.int().min(1),
    /** SHA-256 of each root, lower-case hex. */
    roots: z
      .array(z.string().regex(/^[0-9a-f]{64}$/))
      .min(1)
      .max(8),
    /** Over how many seconds to spread asking `cacerts`. */
    withinS: seconds,
  }),
  /** Present where the certificate in use should be renewed before its time: at a moment within so many seconds. */
  renewWithinS: seconds.optional(),
  /** The platform's clock at sending, RFC 3339. */
  time: z.iso.datetime({ offset: true }),
});
export type IdentityNotice = z.infer<typeof identityNotice>;
