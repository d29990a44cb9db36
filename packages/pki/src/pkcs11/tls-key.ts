import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { Worker } from "node:worker_threads";
import { pkiProblems } from "../errors.ts";
import { readPrivateFile } from "../files.ts";
import { kindOfKeyUri, pathOfFileUri } from "../key-uri.ts";
import type { BridgeAnswer, BridgeAsk } from "./bridge-worker.ts";
import { bridgeToken } from "./token-server.ts";

/** How `tls.connect` is told of a private key: spread it into its options. */
export type TlsKey = { readonly key: string } | { readonly privateKeyEngine: string; readonly privateKeyIdentifier: string };

type Bridge = { show(uri: string): Promise<string> };

// One for the whole process, because OpenSSL's engine is: it keeps the first socket that it was told of until the process ends.
let bridge: Promise<Bridge> | undefined;
const labels = new Map<string, Promise<string>>();

/**
 * The private key behind a URI, for TLS. A file's key is read; one in a token or a TPM stays there, and OpenSSL's PKCS#11 engine asks a thread of ours for
 * each signature. Throws `key_store_unreachable` where the engine is not installed, and what opening the key throws.
 */
export async function tlsKeyOf(uri: string): Promise<TlsKey> {
  if (kindOfKeyUri(uri) === "file") {
    const path = pathOfFileUri(uri);
    const key = await readPrivateFile(path);
    if (key !== undefined) return { key };
    throw pkiProblems.key_missing(`The key file ${path} is missing.`, { fix: "Correct the path, or restore it." });
  }
  const label = await labelOf(uri);
  return { privateKeyEngine: "pkcs11", privateKeyIdentifier: `pkcs11:token=${bridgeToken};object=${label};type=private` };
}

/** A key is opened once, however many connections use it. */
function labelOf(uri: string): Promise<string> {
  bridge ??= startBridge().catch((cause: unknown) => {
    bridge = undefined;
    throw cause;
  });
  const shown = labels.get(uri) ?? bridge.then(({ show }) => show(uri));
  labels.set(uri, shown);
  shown.catch(() => labels.delete(uri));
  return shown;
}

async function startBridge(): Promise<Bridge> {
  const engines = firstThere("engines-3", "pkcs11.so", "libengine-pkcs11-openssl");
  const client = firstThere("pkcs11", "p11-kit-client.so", "p11-kit-modules");
  // 0700: whoever can open the socket can sign.
  const socket = join(mkdtempSync(join(tmpdir(), "tenfold-keys-")), "socket");
  // OpenSSL's engine and p11-kit's module are told by the environment alone, and read it when they are loaded.
  Object.assign(env, {
    OPENSSL_ENGINES: engines,
    PKCS11_MODULE_PATH: join(client, "p11-kit-client.so"),
    P11_KIT_SERVER_ADDRESS: `unix:path=${socket}`,
  });
  // From source, or bundled beside the program that uses it.
  const thread = import.meta.url.endsWith(".ts") ? "./bridge-worker.ts" : "./bridge-worker.js";
  const worker = new Worker(new URL(thread, import.meta.url), { workerData: { socket } });
  worker.unref();
  await once(worker, "message");
  const waiting = new Map<number, (answer: BridgeAnswer) => void>();
  worker.on("message", (answer: BridgeAnswer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let number = 0;
  return {
    async show(uri) {
      number += 1;
      const { promise, resolve } = Promise.withResolvers<BridgeAnswer>();
      const label = randomBytes(8).toString("hex");
      waiting.set(number, resolve);
      // While somebody waits, the thread keeps the process alive.
      worker.ref();
      worker.postMessage({ id: number, uri, label } satisfies BridgeAsk);
      const answer = await promise.finally(() => waiting.size === 0 && worker.unref());
      if (answer.is === "shown") return label;
      const make = pkiProblems[answer.code as keyof typeof pkiProblems] ?? pkiProblems.key_store_unreachable;
      throw make(answer.message, answer.fix === undefined ? {} : { fix: answer.fix });
    },
  };
}

const triplets = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu", arm: "arm-linux-gnueabihf" } as Record<string, string>;

/** The folder of a library that Debian's package `debian` brings. */
function firstThere(folder: string, file: string, debian: string): string {
  const below = [`/usr/lib/${triplets[process.arch] ?? process.arch}`, "/usr/lib64", "/usr/lib"].map((root) => join(root, folder));
  const found = below.find((one) => existsSync(join(one, file)));
  if (found !== undefined) return found;
  throw pkiProblems.key_store_unreachable(`TLS cannot use a key of a token or a TPM: ${file} is not installed.`, {
    fix: `Install ${debian} (Debian's name), then start again.`,
  });
}
