import { humanDuration } from "@tenfold/base";
import { api, type ToldLimit } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb } from "../../verb.ts";

export function limitsCommand(program: Command): void {
  addVerb(program, {
    usage: "limits [word...]",
    summary: "What devices may ask of this server, and what happens beyond it",
    example: "limits keepAlive",
    async run(session, { rest }) {
      const client = await session.client();
      const { items } = await client.call(api.listLimits, {});
      const wanted = items.filter(({ name, means }) =>
        rest.every((word) => `${name} ${means}`.toLowerCase().includes(word.toLowerCase())),
      );
      session.out.list(wanted, (one) => ({
        limit: one.name,
        value: humanValue(one),
        clause: one.clause,
        setting: one.setting,
        means: one.means,
      }));
    },
  });
}

/** `256 KiB`, `5s`, `60,000`, `100/s`. */
export function humanValue({ value, unit }: Pick<ToldLimit, "value" | "unit">): string {
  switch (unit) {
    case "bytes":
      return value % 2 ** 20 === 0 ? `${value / 2 ** 20} MiB` : value % 1_024 === 0 ? `${value / 1_024} KiB` : `${value} bytes`;
    case "ms":
      return humanDuration(value);
    case "s":
      return humanDuration(value * 1_000);
    case "per second":
      return `${value.toLocaleString("en")}/s`;
    case "count":
      return value.toLocaleString("en");
  }
}
