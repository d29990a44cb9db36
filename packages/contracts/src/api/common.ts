import { z } from "zod";

export const timestamp = z.iso.datetime();
/** ISO 8601 duration, days at most: `PT5M`. */
export const isoDuration = z.string().regex(/^P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/);
export const share = z.number().min(0).max(1);

/** An amount in the smallest unit of its currency, an ISO 4217 code. */
export const money = z.strictObject({
  amount: z.int().min(0),
  currency: z.string().regex(/^[A-Z]{3}$/, "Write a currency such as EUR."),
});

/** RFC 9457, with a stable `code`, the field's path and what to do. */
export const problemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  field: z.string().optional(),
  fix: z.string().optional(),
});
export type ProblemDocument = z.infer<typeof problemDocument>;

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().max(500).optional(),
});

/** A page of a list: `items`, and `nextCursor` while there is more. */
export const pageOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item), nextCursor: z.string().optional() });
