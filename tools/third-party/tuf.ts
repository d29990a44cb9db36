/**
 * Clients that others wrote, tuf-js and python-tuf, against the repositories that a running platform serves: they must accept what is honest and refuse
 * every attack of a mirror that stands between. Ours is asked the same. Then a drill: all keys of both repositories are rotated, and every client follows.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { requestCertificate } from "@tenfold/device";
import { refresh as ours, signMetadata } from "@tenfold/ota";
import { newMetadataSigner } from "@tenfold/testkit";
import { Updater } from "tuf-js";
import type { RunningPlatform } from "../running-platform.ts";
import { providePython, tufPackages } from "./python.ts";
import { type Counts, same, steps } from "./steps.ts";

const execute = promisify(execFile);
const device = "tuf-judge";
const firmware = "firmware that others judge";
type Repository = "image" | "director";

/** What the mirror changes of an answer: by file name. */
type Spoil = (name: string, honest: Buffer) => Buffer | Promise<Buffer>;

/** Plain HTTP in front of the device endpoint, with a device's certificate behind it: third-party clients speak no client certificates. */
async function startMirror(platform: RunningPlatform) {
  const { serial, code } = JSON.parse(await platform.tenfold("enroll", "code", device, "--json")) as {
    serial: string;
    code: string;
  };
  const ca = await readFile(platform.ca, "utf8");
  const proof = { is: "code", serial, code } as const;
  const { cert, key } = await requestCertificate({
    server: { url: platform.deviceUrl, ca },
    device,
    proof,
    operation: "simpleenroll",
    patienceMs: 20_000,
  });
  const mirror: { url: string; spoil: Spoil; seen: Map<string, Buffer>; close(): void } = {
    url: "",
    spoil: (_, honest) => honest,
    seen: new Map(),
    close: () => server.close(),
  };
  const fetchHonest = (path: string) =>
    new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const asked = request(new URL(path, platform.deviceUrl), { ca, cert, key, agent: false }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }));
      });
      asked.on("error", reject);
      asked.end();
    });
  const server = createServer((asked, answer) => {
    const path = asked.url ?? "";
    void fetchHonest(path)
      .then(async ({ status, body }) => {
        const name = path.split("/").at(-1) ?? "";
        const sent = status === 200 ? await mirror.spoil(name, body) : body;
        if (status === 200) mirror.seen.set(name, body);
        answer.writeHead(status, { "Content-Type": "application/json", "Content-Length": sent.length }).end(sent);
      })
      .catch(() => answer.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  mirror.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return mirror;
}

type Mirror = Awaited<ReturnType<typeof startMirror>>;
/** A client with a memory of its own; `look` resolves when it believes what it was given, and rejects when it refuses. */
type Client = { name: string; look(): Promise<void>; download?(): Promise<string> };

type Wish = { mirror: Mirror; repository: Repository; root: string; dir: string; python: string | undefined };

const baseOf = ({ mirror, repository }: Pick<Wish, "mirror" | "repository">): string =>
  `${mirror.url}/tuf/${repository === "image" ? "image" : `director/${device}`}`;

async function clientsFor(wish: Wish): Promise<Client[]> {
  const dir = await mkdtemp(join(wish.dir, "client-"));
  const folder = async (name: string) => {
    const place = join(dir, name);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "root.json"), wish.root);
    return place;
  };
  const [js, py] = [await folder("js"), await folder("py")];
  const python = wish.python;
  return [tufJs(wish, js), ...(python === undefined ? [] : [pythonTuf({ ...wish, python }, py)]), own(wish)];
}

function tufJs(wish: Wish, place: string): Client {
  const base = baseOf(wish);
  const make = () =>
    new Updater({
      metadataDir: place,
      metadataBaseUrl: base,
      targetDir: place,
      targetBaseUrl: `${base}/targets`,
      config: { fetchRetry: 0 },
    });
  return {
    name: "tuf-js",
    look: () => make().refresh(),
    async download() {
      const updater = make();
      const found = await updater.getTargetInfo("firmware/2.0.0");
      assert.ok(found);
      return readFile(await updater.downloadTarget(found, join(place, "firmware")), "utf8");
    },
  };
}

const script = `
import sys
from tuf.ngclient import Updater
place, base, verb = sys.argv[1:4]
updater = Updater(place, base + "/", place, base + "/targets/", bootstrap=None)
updater.refresh()
if verb == "download":
    found = updater.get_targetinfo("firmware/2.0.0")
    print(open(updater.download_target(found, place + "/firmware")).read(), end="")
`;

function pythonTuf(wish: Wish & { python: string }, place: string): Client {
  const ask = async (verb: string) =>
    (await execute(wish.python, ["-c", script, place, baseOf(wish), verb], { timeout: 60_000 })).stdout;
  return { name: "python-tuf", look: async () => void (await ask("look")), download: () => ask("download") };
}

function own(wish: Wish): Client {
  let stored: Parameters<typeof ours>[0] = { root: wish.root };
  return {
    name: "ours",
    async look() {
      const source = async (name: string, most: number) => {
        const answer = await fetch(`${baseOf(wish)}/${name}`);
        return answer.ok ? Buffer.from(await answer.arrayBuffer()).subarray(0, most + 1) : undefined;
      };
      const { verdict, stored: next } = await ours(stored, source, Date.now());
      stored = next;
      if (verdict.is === "refuse") throw new Error(`${verdict.because}: ${verdict.detail}`);
    },
  };
}

const change = (body: Buffer, edit: (file: { signed: Record<string, unknown>; signatures: { sig: string }[] }) => void): Buffer => {
  const file = JSON.parse(body.toString());
  edit(file);
  return Buffer.from(JSON.stringify(file));
};
const thief = newMetadataSigner();
const forged = async (body: Buffer, edit: (signed: Record<string, unknown>) => void): Promise<Buffer> => {
  const { signed } = JSON.parse(body.toString());
  edit(signed);
  return Buffer.from(await signMetadata(signed, [thief]));
};
const of =
  (role: string, spoil: (honest: Buffer) => Buffer | Promise<Buffer>): Spoil =>
  (name, honest) =>
    name === `${role}.json` || name.endsWith(`.${role}.json`) ? spoil(honest) : honest;

/** Attacks on a client that begins anew. */
const attacks: Record<string, Spoil> = {
  "a timestamp whose signature was changed": of("timestamp", (honest) =>
    change(honest, ({ signatures }) => {
      for (const one of signatures) one.sig = one.sig.replace(/..$/, (end) => (end === "00" ? "01" : "00"));
    }),
  ),
  "a timestamp without signatures": of("timestamp", (honest) => change(honest, (file) => file.signatures.splice(0))),
  "a snapshot that a thief signed": of("snapshot", (honest) => forged(honest, () => {})),
  "targets that a thief signed": of("targets", (honest) => forged(honest, (signed) => Object.assign(signed, { targets: {} }))),
  "targets that say something else than what was signed": of("targets", (honest) =>
    change(honest, ({ signed }) => Object.assign(signed, { expires: "2036-01-01T00:00:00Z" })),
  ),
  "a snapshot with another version than was named": of("snapshot", (honest) =>
    change(honest, ({ signed }) => Object.assign(signed, { version: 1 })),
  ),
  "a timestamp that is no JSON": of("timestamp", () => Buffer.from("<html>")),
  "a timestamp without an end": of("timestamp", () => Buffer.alloc(3_000_000, " ")),
  "targets longer than was named": of("targets", (honest) => Buffer.concat([honest, Buffer.alloc(6_000_000, " ")])),
};

export async function run(platform: RunningPlatform): Promise<Counts> {
  const counts = steps("tuf");
  const found = providePython("tuf", tufPackages);
  const python = "python" in found ? found.python : undefined;
  if ("missing" in found) console.log(`- tuf: python-tuf is left out, because ${found.missing}`);
  const folder = join(platform.dir, "release-keys");
  const image = join(platform.dir, "firmware.bin");
  await writeFile(image, firmware);
  await platform.tenfold("tuf", "init", folder);
  await platform.tenfold("tuf", "publish", folder);
  await platform.tenfold("release", "create", image, "--tuf", folder, "--version", "2.0.0");
  const roots = JSON.parse(await readFile(join(folder, "roots.json"), "utf8")) as Record<Repository, unknown>;
  const mirror = await startMirror(platform);
  const clients = (repository: Repository) =>
    clientsFor({ mirror, repository, root: JSON.stringify(roots[repository]), dir: platform.dir, python });
  try {
    const old = { image: await clients("image"), director: await clients("director") };
    for (const repository of ["image", "director"] as const)
      for (const client of old[repository])
        await counts.step(`${client.name} accepts the ${repository} repository`, () => client.look());
    for (const client of old.image)
      if (client.download)
        await counts.step(`${client.name} downloads the image that is listed`, async () =>
          same(await client.download?.(), firmware),
        );
    for (const [what, spoil] of Object.entries(attacks)) {
      for (const client of await clients("image"))
        await counts.step(`${client.name} refuses ${what}`, async () => {
          mirror.spoil = spoil;
          await assert.rejects(client.look()).finally(() => {
            mirror.spoil = (_, honest) => honest;
          });
        });
    }
    await playedAgain({ platform, folder, mirror, clients: old.image, counts });
    await drill({ platform, folder, clients: [...old.image, ...old.director], counts });
  } finally {
    mirror.close();
  }
  return counts;
}

type Play = { platform: RunningPlatform; folder: string; mirror: Mirror; clients: Client[]; counts: ReturnType<typeof steps> };

/** Rollback: what was true yesterday, shown to those who have seen today. */
async function playedAgain({ platform, folder, mirror, clients, counts }: Play): Promise<void> {
  const yesterday = new Map(mirror.seen);
  await platform.tenfold("tuf", "renew", folder);
  await platform.tenfold("tuf", "publish", folder);
  for (const client of clients) {
    await counts.step(`${client.name} takes the renewed list`, () => client.look());
    await counts.step(`${client.name} refuses yesterday's timestamp`, async () => {
      mirror.spoil = of("timestamp", () => yesterday.get("timestamp.json") ?? Buffer.alloc(0));
      await assert.rejects(client.look()).finally(() => {
        mirror.spoil = (_, honest) => honest;
      });
    });
  }
}

/** docs/operate/signing.md: every key that can be rotated is, and whoever knew the first root follows. */
async function drill({ platform, folder, clients, counts }: Omit<Play, "mirror">): Promise<void> {
  const began = performance.now();
  await counts.step("the drill: all offline keys are rotated and published", async () => {
    for (const words of [["targets"], ["root"], ["root", "--repository", "director"]])
      await platform.tenfold("tuf", "rotate", folder, "--role", ...words);
    await platform.tenfold("tuf", "publish", folder);
    await platform.tenfold("tuf", "verify", folder);
  });
  for (const client of clients) await counts.step(`the drill: ${client.name} follows to the new roots`, () => client.look());
  const seconds = (performance.now() - began) / 1_000;
  await counts.step(`the drill took less than five minutes (${seconds.toFixed(0)} s)`, async () => assert.ok(seconds < 300));
}
