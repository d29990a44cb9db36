import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { readConfig } from "../apps/platform/src/config.ts";

const here = import.meta.dirname;
const read = (...path: string[]) => readFileSync(join(here, ...path), "utf8");
const yaml = (...path: string[]) => parse(read(...path), { merge: true });
const onPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => globSync(join(folder, program)).length > 0);

/** What the platform makes of these settings: throws with its own words where they do not go together. */
const accepts = (env: Record<string, string>, roles: string) => readConfig({ env, flags: { roles } });

describe("compose", () => {
  const compose = yaml("compose", "compose.yaml");
  const services = Object.entries(compose.services) as [string, Record<string, unknown>][];

  test("every process has settings that the server accepts with its roles", () => {
    const processes = services.filter(([, { image }]) => image === "tenfold");
    assert.ok(processes.length >= 5);
    const roles = processes.map(([, { command, environment }]) => {
      const [flag, value] = command as string[];
      assert.equal(flag, "--roles");
      // A file of a secret is read when the server starts; here it stands for what it holds.
      const env = Object.entries(environment as Record<string, string>).map(([name, text]) =>
        name.endsWith("_FILE")
          ? [name.slice(0, -5), name.includes("CLICKHOUSE") ? "http://clickhouse:8123" : "postgresql://x/y"]
          : [name, text],
      );
      return accepts(Object.fromEntries(env), value ?? "").roles;
    });
    assert.deepEqual(new Set(roles.flat()), new Set(["api", "links", "intake", "loops"]));
  });

  test("what a service names is declared, and what is declared is used", () => {
    const text = JSON.stringify(compose.services);
    for (const secret of Object.keys(compose.secrets)) assert.ok(text.includes(`"${secret}"`), secret);
    for (const volume of Object.keys(compose.volumes)) assert.ok(text.includes(`"${volume}:`), volume);
    for (const [name, { secrets = [], depends_on: needs = [] }] of services) {
      const others = Array.isArray(needs) ? needs : Object.keys(needs as object);
      assert.deepEqual(
        [
          ...(secrets as string[]).filter((one) => !(one in compose.secrets)),
          ...others.filter((one) => !(one in compose.services)),
        ],
        [],
        name,
      );
    }
    for (const volume of services.flatMap(([, { volumes = [] }]) => volumes as string[])) assertSource(volume);
    for (const [, name = ""] of read("compose", "nginx.conf").matchAll(/server ([a-z0-9-]+):\d+/g))
      assert.ok(name in compose.services, name);
  });

  /** A file that is here, or a volume that is declared. */
  function assertSource(volume: string): void {
    const [source = ""] = volume.split(":");
    if (source.startsWith("./")) assert.equal(globSync(join(here, "compose", source)).length, 1, volume);
    else assert.ok(source in compose.volumes, volume);
  }

  test("NATS syncs before it acknowledges, and no process may gain a privilege", () => {
    assert.match(read("compose", "nats.conf"), /^\s*sync_interval: always$/m);
    for (const [name, service] of services.filter(([, { image }]) => image === "tenfold"))
      assert.deepEqual([service.cap_drop, service.read_only], [["ALL"], true], name);
  });
});

test("the units are what systemd reads, and expose little", {
  skip: onPath("systemd-analyze") ? false : "no systemd-analyze here",
}, () => {
  for (const unit of globSync(join(here, "systemd", "*.service"))) {
    const text = readFileSync(unit, "utf8");
    for (const word of ["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n", "RestrictNamespaces=yes"])
      assert.ok(text.includes(word), `${unit}: ${word}`);
    // Exposure is systemd's own measure, from 0 to 100: a service without any hardening has 96.
    execFileSync("systemd-analyze", ["security", "--offline=true", "--threshold=30", unit], { stdio: "pipe" });
  }
});

const told = () => {
  const code = globSync(join(here, "../apps/platform/src/**/*.ts")).map((file) => readFileSync(file, "utf8"));
  const own = code.flatMap((text) => [...text.matchAll(/"(tenfold_[a-z_]+)"/g)].map(([, name]) => name ?? ""));
  // Of the process itself: @prometheus-io/client's defaults with our prefix.
  return new Set([
    ...own,
    "tenfold_process_cpu_seconds_total",
    "tenfold_process_resident_memory_bytes",
    "tenfold_nodejs_eventloop_lag_p99_seconds",
  ]);
};

test("rules and dashboard ask only for metrics that the server tells", () => {
  const metrics = told();
  const asked = `${read("prometheus", "rules.yaml")} ${read("grafana", "tenfold.json")}`;
  const names = [...asked.matchAll(/\btenfold_[a-z0-9_]+/g)].map(([name]) => name);
  assert.ok(names.length > 15);
  for (const name of names) assert.ok(metrics.has(name), `${name} is told by nobody`);
  assert.ok(JSON.parse(read("grafana", "tenfold.json")).panels.length > 8);
  assert.ok(
    yaml("prometheus", "rules.yaml").groups[0].rules.every(
      ({ expr, annotations }: { expr: string; annotations: { summary: string } }) => expr && annotations.summary,
    ),
  );
});

test("Prometheus reads scrape settings and rules", {
  skip: onPath("promtool") ? false : "no promtool here: Debian package prometheus",
}, () => {
  execFileSync("promtool", ["check", "rules", join(here, "prometheus", "rules.yaml")], { stdio: "pipe" });
  execFileSync("promtool", ["check", "config", "--syntax-only", join(here, "prometheus", "scrape.yaml")], { stdio: "pipe" });
});

describe("Helm", () => {
  const chart = join(here, "helm", "tenfold");

  test("each setting that the chart gives is one, and each value that a template uses has a default", () => {
    const templates = globSync(join(chart, "templates", "*"))
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    const settings = [...templates.matchAll(/TENFOLD_[A-Z0-9_]+/g)].map(([name]) => name);
    assert.ok(settings.length > 10);
    const shared = {
      TENFOLD_DATABASE_URL: "postgresql://x",
      TENFOLD_CLICKHOUSE_URL: "http://x",
      TENFOLD_NATS_URL: "nats://x",
      TENFOLD_BLOBS_DIR: "/x",
    };
    const sample: Record<string, string> = {
      ...shared,
      TENFOLD_NATS_REPLICAS: "3",
      TENFOLD_NATS_SYNC: "verified",
      TENFOLD_MQTT_MAX_CONNECTIONS: "1",
    };
    const urls = { TENFOLD_PUBLIC_URL: "https://x", TENFOLD_DEVICE_PUBLIC_URL: "https://x", TENFOLD_S3_ENDPOINT: "https://x" };
    const named = Object.fromEntries(settings.filter((name) => name !== "TENFOLD_S3_SECRET").map((name) => [name, "xxx"]));
    for (const roles of ["api", "loops", "intake", "links"])
      accepts({ ...named, ...sample, ...urls, TENFOLD_S3_SECRET: "s" }, roles);
    const values = yaml("helm", "tenfold", "values.yaml");
    for (const [, path = ""] of templates.matchAll(/\.Values\.([A-Za-z0-9.]+)/g)) {
      const found = path
        .split(".")
        .reduce(
          (at: unknown, key) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[key] : undefined),
          values,
        );
      assert.notEqual(found, undefined, `values.yaml has no ${path}`);
    }
  });

  test("the chart lints and renders", { skip: onPath("helm") ? false : "no helm here" }, () => {
    // A helm that was built without its release's settings takes every cluster for one of 2020.
    const kubernetes = ["--kube-version", "1.30"];
    const values = [
      "--set",
      "existingSecret=tenfold",
      "--set",
      "deviceHostnames={devices.example}",
      "--set",
      "artifacts.s3.bucket=artifacts",
    ];
    execFileSync("helm", ["lint", "--strict", chart, ...values], { stdio: "pipe" });
    const rendered = execFileSync("helm", ["template", "fleet", chart, ...kubernetes, ...values], { encoding: "utf8" });
    const kinds = rendered
      .split(/^---$/m)
      .map((text) => parse(text)?.kind)
      .filter(Boolean);
    assert.deepEqual(kinds.toSorted(), [
      "Deployment",
      "Deployment",
      "Deployment",
      "NetworkPolicy",
      "PodDisruptionBudget",
      "Service",
      "Service",
      "StatefulSet",
    ]);
  });
});
