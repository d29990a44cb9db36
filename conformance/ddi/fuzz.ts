import { seededRandom } from "@tenfold/base";
import type { DdiClient } from "./client.ts";

type Target = { action: string; filename: string; requests: number; seed?: string };
type Found = { statuses: Record<string, number>; broken: string[] };

const executions = [
  "closed",
  "proceeding",
  "canceled",
  "scheduled",
  "rejected",
  "resumed",
  "downloaded",
  "download",
  "",
  "CLOSED",
  7,
  null,
];
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
];

/**
 * Sends mutated DDI requests over mutual TLS. What is told is never the version that would prove an update, so that none may succeed;
 * everything has to be answered, and never with a 5xx.
 */
export async function fuzz(client: DdiClient, { action, filename, requests, seed = "ddi" }: Target): Promise<Found> {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const found: Found = { statuses: {}, broken: [] };

  const id = () => (random() < 0.5 ? action : (pick([...nasty, "1000000", "2147483648", String(Number(action) + 1)]) ?? ""));
  const paths = [
    () => "",
    () => `/deploymentBase/${encode(id())}`,
    () => `/deploymentBase/${encode(id())}?c=${encode(pick(nasty) ?? "")}&actionHistory=${encode(pick(nasty) ?? "")}`,
    () => `/deploymentBase/${encode(id())}/feedback`,
    () => `/cancelAction/${encode(id())}`,
    () => `/cancelAction/${encode(id())}/feedback`,
    () => `/installedBase/${encode(id())}`,
    () => `/softwaremodules/${encode(id())}/artifacts`,
    () => `/softwaremodules/${encode(id())}/artifacts/${encode(pick([...nasty, filename, `${filename}.MD5SUM`]) ?? "")}`,
    () => "/configData",
    () => "/confirmationBase",
    () => `/${encode(pick(nasty) ?? "")}`,
  ];
  const encode = (text: string) => (random() < 0.05 ? text.replace(/[^\x21-\x7e]/g, "%") : encodeURIComponent(text.toWellFormed()));
  const detail = () => Array.from({ length: Math.floor(random() * 4) }, () => pick(nasty));
  const bodies = [
    () => ({
      id: pick(nasty),
      time: random(),
      status: {
        execution: pick(executions),
        result: { finished: pick(finisheds), progress: { cnt: random() * 9 - 4, of: pick([0, -1, 5, "5", null]) } },
        details: detail(),
      },
    }),
    () => ({
      mode: pick(["merge", "replace", "remove", "?", 1]),
      data: Object.fromEntries(detail().map((key) => [key ?? "", pick([...nasty, 1, null, {}, []])])),
    }),
    () => ({
      data: {
        firmware_version: pick(["1.0.0", "0.9", "\u0000", "\ud800", "x".repeat(500)]),
        boot_id: pick(nasty),
        model: pick(nasty),
      },
    }),
    () => pick([null, [], 0, "text", {}, { status: null }, { data: [] }]),
  ];
  const body = (): string | Buffer => {
    const text = JSON.stringify((pick(bodies) ?? bodies[0])?.() ?? null);
    if (random() < 0.7) return text;
    const bytes = Buffer.from(text);
    for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    return bytes.subarray(0, Math.ceil(random() * bytes.length));
  };
  const request = () => {
    const method = pick(["GET", "POST", "PUT", "POST", "PUT", "DELETE", "HEAD"]) ?? "GET";
    const headers: Record<string, string> = {};
    if (random() < 0.2)
      headers.Range = pick(["bytes=0-", "bytes=-0", "bytes=9-1", "bytes=0-1,2-3", "bytes=a-b", `bytes=${"9".repeat(30)}-`]) ?? "";
    if (random() < 0.2) headers["Content-Type"] = pick(["application/cbor", "text/plain", "application/hal+json", ";;;"]) ?? "";
    if (random() < 0.05) headers.Host = pick(["", "a b", "evil.example", "x".repeat(200)]) ?? "";
    return {
      path: (pick(paths) ?? paths[0])?.() ?? "",
      asked: { method, headers, ...(method === "POST" || method === "PUT" ? { body: body() } : {}) },
    };
  };

  const one = async () => {
    const { path, asked } = request();
    // A kept connection that the server has just closed for its idleness is no answer: the request is sent again, once.
    const { status } = await client.ask(path, asked).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET") throw error;
      return client.ask(path, asked);
    });
    found.statuses[status] = (found.statuses[status] ?? 0) + 1;
    if (status >= 500) found.broken.push(`${status} ${JSON.stringify({ path, ...asked, body: asked.body?.toString() })}`);
  };
  for (let sent = 0; sent < requests; sent += 8) await Promise.all(Array.from({ length: Math.min(8, requests - sent) }, one));
  return found;
}
