import { z } from "zod";

/**
 * How far a stream is applied, for all processes that could go on: numbers of messages in the stream. A cut is fixed here before it is
 * applied, so that whoever goes on applies the same frames under the same token.
 */
export type Cursor = {
  /** The stream whose numbers these are; another one begins anew. */
  readonly stream: string;
  /** All up to here is applied. */
  readonly applied: number;
  /** The batch behind it that is fixed and perhaps being applied. */
  readonly cut?: { readonly to: number; readonly frames: number };
  /** Whose turn it is; undefined when nobody's. */
  readonly owner?: string;
  /** Names this one writing, so that its writer knows it again when the acknowledgement was lost. */
  readonly write: string;
};

const shape: z.ZodType<Cursor> = z.strictObject({
  stream: z.string(),
  applied: z.number().int().min(0),
  cut: z.strictObject({ to: z.number().int(), frames: z.number().int() }).optional(),
  owner: z.string().optional(),
  write: z.string(),
}) as z.ZodType<Cursor>;

export const encodeCursor = (cursor: Cursor): string => JSON.stringify(cursor);

/** Throws where the text is not a cursor: going on from a guess could lose or double messages. */
export const decodeCursor = (text: string): Cursor => shape.parse(JSON.parse(text));

/** The name of the batch from `applied` on, for ever. The zero keeps the form of the files' tokens: journal, place, place. */
export const tokenAfter = ({ stream, applied }: Cursor): string => `${stream}-0-${applied + 1}`;
