import { seededRandom } from "@tenfold/base";
import type { Asked } from "./client.ts";

/** The device's action and its artifact: what the requests aim at. */
export type Aim = { action: string; filename: string };
export type Mutated = { path: string; asked: Asked };

type Random = () => number;
type Route = { method: "GET" | "POST" | "PUT"; path: () => string; body?: () => unknown };

/** Most statuses tell of progress: the first that closes the action ends what the following requests could reach. */
const progressing = ["proceeding", "scheduled", "resumed", "downloaded", "download"];
const closing = ["closed", "canceled", "rejected"];
const noExecution = ["", "CLOSED", 7, null, "__proto__"];
const finisheds = ["success", "failure", "none", "", "NONE", [], null];
const nasty = [
  "",
  "\u0000",
  "\ud800",
  "'; drop schema rollouts cascade; --",
  "%00",
  "../../etc/passwd",
  "𝕏".repeat(300),
  "-1",
  "1e9",
  "0x1",
  "9".repeat(40),
  "__proto__",
  '"',
  "\\",
  'Skipped Update." ] } }',
];
const ranges = [
  "bytes=0-",
  "bytes=-0",
  "bytes=-5",
  "bytes=3-7",
  "bytes=9-1",
  "bytes=0-1,2-3",
  "bytes=a-b",
  `bytes=${"9".repeat(30)}-`,
];
const mediaTypes = ["application/cbor", "text/plain", "application/hal+json", ";;;"];
const hosts = ["", "a b", "evil.example", "x".repeat(200)];

/**
 * An endless row of DDI requests that the seed decides: most of them go to an endpoint that is there, with the device's own action, and are
 * wrong in one or two places, so that they come past the router. The version that would prove an update is never told.
 */
export function mutatedRequests(seed: string, { action, filename }: Aim): () => Mutated {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => {
    const found = from[Math.floor(random() * from.length)];
    if (found === undefined && from.length === 0) throw new Error("There is nothing to pick from.");
    // The index lies within the list.
    return found as T;
  };
  const seldom = (share: number) => random() < share;

  const encode = (text: string) => (seldom(0.05) ? text.replace(/[^\x21-\x7e]/g, "%") : encodeURIComponent(text.toWellFormed()));
  const strange = () => encode(pick([...nasty, "1000000", "2147483648", String(Number(action) + 1), ` ${action}`, `${action}.0`]));
  const id = () => (seldom(0.85) ? action : strange());
  const file = () => (seldom(0.8) ? pick([filename, filename, `${filename}.MD5SUM`]) : encode(pick(nasty)));
  const query = () => (seldom(0.3) ? `?c=${encode(pick(nasty))}&actionHistory=${encode(pick([...nasty, "5", "100", "-1"]))}` : "");
  const details = () => Array.from({ length: Math.floor(random() * 4) }, () => pick(nasty));

  const execution = () => pick(seldom(0.008) ? closing : seldom(0.1) ? noExecution : progressing);
  const feedback = () => ({
    id: pick(nasty),
    time: random(),
    status: {
      execution: execution(),
      result: { finished: pick(finisheds), progress: { cnt: random() * 9 - 4, of: pick([0, -1, 5, "5", null]) } },
      details: seldom(0.1) ? pick([...nasty, 1, {}, null]) : details(),
    },
  });
  const attributes = () => ({
    mode: pick(["merge", "replace", "remove", "?", 1]),
    data: Object.fromEntries(details().map((key) => [key, pick([...nasty, 1, null, {}, []])])),
  });
  const identity = () => ({
    data: {
      firmware_version: pick(["1.0.0", "0.9", "\u0000", "\ud800", "x".repeat(500)]),
      model: pick(nasty),
      ...(seldom(0.2) ? { boot_id: pick(nasty) } : {}),
    },
  });
  const stray = () => pick([null, [], 0, "text", {}, { status: null }, { data: [] }]);

  const routes: Route[] = [
    { method: "GET", path: () => query() },
    { method: "GET", path: () => `/deploymentBase/${id()}${query()}` },
    { method: "POST", path: () => `/deploymentBase/${id()}/feedback`, body: feedback },
    { method: "GET", path: () => `/cancelAction/${id()}` },
    { method: "POST", path: () => `/cancelAction/${id()}/feedback`, body: feedback },
    { method: "GET", path: () => `/installedBase/${id()}${query()}` },
    { method: "GET", path: () => `/softwaremodules/${id()}/artifacts` },
    { method: "GET", path: () => `/softwaremodules/${id()}/artifacts/${file()}` },
    { method: "PUT", path: () => "/configData", body: () => (seldom(0.3) ? identity : attributes)() },
    { method: "GET", path: () => `/confirmationBase${query()}` },
    { method: "GET", path: () => `/${encode(pick(nasty))}` },
  ];

  const headers = (): Record<string, string> => ({
    ...(seldom(0.15) ? { Range: pick(ranges) } : {}),
    ...(seldom(0.1) ? { "Content-Type": pick(mediaTypes) } : {}),
    ...(seldom(0.03) ? { Host: pick(hosts) } : {}),
  });
  return () => {
    const route = pick(routes);
    const method = seldom(0.08) ? pick(["GET", "POST", "PUT", "DELETE", "HEAD"]) : route.method;
    const path = route.path();
    const asked: Asked = { method, headers: headers() };
    if (method === "POST" || method === "PUT")
      asked.body = spoil(random, JSON.stringify((seldom(0.05) ? stray : (route.body ?? stray))()));
    return { path, asked };
  };
}

/** Three in ten bodies lose their end, or have up to three bytes that are others. */
function spoil(random: Random, text: string): string | Buffer {
  if (random() < 0.7) return text;
  const bytes = Buffer.from(text);
  for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return random() < 0.5 ? bytes : bytes.subarray(0, Math.ceil(random() * bytes.length));
}
