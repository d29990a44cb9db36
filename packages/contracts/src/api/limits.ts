import { z } from "zod";
import { operation } from "./operation.ts";

/** One bound on what devices may ask of this installation, as it is in force now. */
export const toldLimit = z.object({
  /** As the code names it. */
  name: z.string(),
  value: z.number(),
  unit: z.enum(["bytes", "ms", "s", "count", "per second"]),
  /** What is bounded, and what happens beyond it. */
  means: z.string(),
  /** The clause of docs/protocol that promises it to devices. */
  clause: z.string().optional(),
  /** The setting that changes it; none where it is the same everywhere. */
  setting: z.string().optional(),
});
export type ToldLimit = z.infer<typeof toldLimit>;

export const limitOperations = {
  listLimits: operation({
    name: "listLimits",
    method: "GET",
    path: "/limits",
    summary: "What devices may ask of the endpoints, and what happens beyond it.",
    permission: "devices.read",
    response: z.object({ items: z.array(toldLimit) }),
  }),
};
