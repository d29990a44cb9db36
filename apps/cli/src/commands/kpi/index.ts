import { humanDuration } from "@tenfold/base";
import { api, type Kpi, kpiName } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { facts } from "../../output.ts";
import { addVerb, word } from "../../verb.ts";

export function kpiCommands(program: Command): void {
  const kpi = program.command("kpi").description("The numbers that executives look at");
  addVerb(kpi, {
    usage: "show",
    summary: "Device uptime, mean time to patch, data lag",
    async run(session) {
      const { items } = await (await session.client()).call(api.listKpis, { query: {} });
      session.out.list(items, (one) => ({
        name: one.name,
        value: inUnit(one.value, one.unit),
        target: inUnit(one.target, one.unit),
        ok: one.ok === null ? "" : one.ok ? "yes" : "no",
        counted: `${one.n} ${one.of}`,
      }));
    },
  });
  addVerb(kpi, {
    usage: "explain <name>",
    summary: "The exact definition of a KPI, and what went into its present value",
    async run(session, given) {
      const name = kpiName.safeParse(word(given, 0));
      if (!name.success)
        throw cliProblems.usage(`"${word(given, 0)}" is not a KPI.`, { fix: `One of: ${kpiName.options.join(", ")}.` });
      const one = await (await session.client()).call(api.explainKpi, { params: { name: name.data } });
      session.out.one(one, () => [
        one.definition,
        "",
        ...facts({
          value: inUnit(one.kpi.value, one.kpi.unit),
          numerator: one.numerator,
          denominator: one.denominator,
          "left out": one.exclusions.join("; "),
          source: one.source,
        }),
      ]);
    },
  });
}

function inUnit(value: number | null, unit: Kpi["unit"]): string {
  if (value === null) return "nothing to count yet";
  if (unit === "ratio") return `${(value * 100).toFixed(2)} %`;
  return humanDuration(unit === "s" ? value * 1_000 : value);
}
