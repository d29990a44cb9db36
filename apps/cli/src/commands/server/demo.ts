import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { humanDuration } from "@tenfold/base";
import { api, createClient } from "@tenfold/contracts";
import type { Command } from "commander";
import { type Program, startPlatform, startSimulator } from "../../demo/servers.ts";
import { publishFirmware, rollOut, setUpSigning, type Tell, untilOnline } from "../../demo/story.ts";
import { type DemoFacts, judgeDemo, summarizeDemo } from "../../demo/verdict.ts";
import { cliProblems } from "../../exit.ts";
import { untilInterrupted } from "../../live.ts";
import type { Output } from "../../output.ts";
import { addVerb, text } from "../../verb.ts";

export function demoCommand(program: Command): void {
  addVerb(program, {
    usage: "demo",
    summary: "The proof: a simulated fleet over real mutual TLS, a bad release caught by its canary and rolled back",
    flags: [
      ["--devices <n>", "simulated devices", "200"],
      ["--seed <n>", "decides who is bricked", "7"],
      ["--once", "end after the story: exit 0 when every promise was kept, and one JSON line"],
      ["--keep <dir>", "where the demo keeps its data (else a temporary folder that is removed)"],
    ],
    async run(session, { flags }) {
      const keep = text(flags, "keep");
      const dir = keep === undefined ? await mkdtemp(join(tmpdir(), "tenfold-demo-")) : resolve(keep);
      // The embedded database runs as a user of its own, who must be able to pass; what is secret below has modes of its own.
      if (keep === undefined) await chmod(dir, 0o711);
      const running: Program[] = [];
      try {
        await perform({
          dir,
          devices: Number(flags.devices),
          seed: String(flags.seed),
          once: flags.once === true,
          out: session.out,
          running,
        });
      } finally {
        for (const one of running.toReversed()) await one.stop();
        if (keep === undefined) await rm(dir, { recursive: true, force: true });
      }
    },
  });
}

type Stage = { dir: string; devices: number; seed: string; once: boolean; out: Output; running: Program[] };

async function perform({ dir, devices, seed, once, out, running }: Stage): Promise<void> {
  const signal = untilInterrupted();
  const began = Date.now();
  const tell: Tell = (line) => out.note(`${((Date.now() - began) / 1_000).toFixed(1).padStart(5)} s  ${line}`);

  tell("starting the platform: PostgreSQL, the ClickHouse engine, MQTT and HTTPS endpoints …");
  const data = join(dir, "data");
  const platform = await startPlatform(data);
  running.push(platform);
  const { url, deviceUrl, mqttUrl } = platform.endpoints;
  const token = (await readFile(join(data, "admin-token"), "utf8")).trim();
  const client = createClient({ baseUrl: url, token });
  tell(`ready. Devices: ${mqttUrl} and ${deviceUrl}`);
  if (!once) tell(`watch it in the console: ${(await client.call(api.createSignInLink, { body: { name: "demo" } })).url}`);

  const folder = await setUpSigning(client, join(dir, "signer"));
  const bench = { client, folder };
  await publishFirmware(bench, { version: "1.1.0", notes: "Better battery estimate." });
  await publishFirmware(bench, {
    version: "1.2.0",
    bricks: 0.2,
    notes: "Bad on purpose: one device in five never comes back, and none of them says so.",
  });

  tell(`${devices} devices leave the factory and enroll with their manufacturer's certificates …`);
  let messages = 0;
  const simulator = startSimulator(
    [
      "start",
      "--devices",
      String(devices),
      "--seed",
      seed,
      "--api",
      url,
      "--token-file",
      join(data, "admin-token"),
      "--device-url",
      deviceUrl,
      "--mqtt-url",
      mqttUrl,
      "--ca",
      join(data, "pki", "ca.pem"),
      "--tuf-roots",
      join(folder.path, "roots.json"),
      "--heartbeat",
      "2s",
      "--telemetry",
      "2s",
      "--state",
      join(dir, "fleet"),
    ],
    (event) => {
      if (typeof event.acked === "number") messages = event.acked;
    },
  );
  running.push(simulator);
  await untilOnline(client, { devices, withinMs: 60_000, signal });
  tell(`${devices} devices are online over mutual TLS, each with its own certificate`);

  tell(
    "release 1.1.0 goes out in stages: 15 % (the canary: 30 devices see a failure of one in five in 999 of 1,000 runs), 40 %, all",
  );
  const good = await rollOut(client, { version: "1.1.0", deadline: "PT60S", soak: "PT2S" }, { tell, signal });
  tell("release 1.2.0 goes out. It is bad: it bricks one device in five, silently");
  const bad = await rollOut(client, { version: "1.2.0", deadline: "PT10S", soak: "PT2S" }, { tell, signal });

  const facts = await gather({ client, devices, good, bad, messages: () => messages, seconds: (Date.now() - began) / 1_000 });
  conclude(facts, out);
  if (once || signal.aborted) return;
  const { url: console } = await client.call(api.createSignInLink, { body: { name: "demo" } });
  out.note(`\nThe fleet goes on. Console: ${console}\nCommand line: npx tenfold --data ${data} status\nCtrl-C ends the demo.`);
  await new Promise((end) => signal.addEventListener("abort", end, { once: true }));
}

type Gathering = Pick<DemoFacts, "devices" | "good" | "bad" | "seconds"> & {
  client: Awaited<ReturnType<typeof createClient>>;
  messages: () => number;
};

async function gather({ client, devices, good, bad, messages, seconds }: Gathering): Promise<DemoFacts> {
  const [summary, report, alerts, audit, kpis] = await Promise.all([
    client.call(api.summarizeDevices, { query: { filter: "lifecycle:active" } }),
    client.call(api.getRolloutReport, { params: { id: bad.id } }),
    client.call(api.listAlerts, { query: {} }),
    client.call(api.verifyAudit, {}),
    client.call(api.listKpis, { query: {} }),
  ]);
  return {
    devices,
    enrolled: summary.total,
    messages: messages(),
    good,
    bad: report.rollout,
    harmedListed: report.harmed.map(({ device }) => device),
    firingAlertKinds: [...new Set(alerts.items.map(({ kind }) => kind))],
    auditIntact: audit.intact,
    kpis: kpis.items,
    seconds,
  };
}

function conclude(facts: DemoFacts, out: Output): void {
  const promises = judgeDemo(facts);
  out.note(`\nAfter ${humanDuration(facts.seconds * 1_000)}:`);
  for (const { promise, kept, found } of promises)
    out.note(`  ${kept ? out.colors.green("✓") : out.colors.red("✗")} ${promise} (${found})`);
  if (facts.harmedListed.length > 0) out.note(`  harmed: ${facts.harmedListed.join(", ")}`);
  process.stdout.write(`${JSON.stringify(summarizeDemo(facts, promises))}\n`);
  const broken = promises.filter(({ kept }) => !kept);
  if (broken.length > 0)
    throw cliProblems.program_failed(
      `The demo broke ${broken.length} of ${promises.length} promises: ${broken.map(({ promise }) => promise).join("; ")}.`,
    );
}
