import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { endsWithUs } from "./ends-with-us.ts";
import { ownFolder } from "./own-folder.ts";

/** The path of a `versitygw` on this machine: the one that TENFOLD_TEST_S3_SERVER names, else the first on the PATH. */
export function findS3Server(): string | undefined {
  const named = process.env.TENFOLD_TEST_S3_SERVER;
  const places = named ? [named] : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "versitygw"));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export type S3Server = AsyncDisposable & {
  endpoint: string;
  bucket: string;
  accessKey: string;
  secret: string;
  /** The names of the objects that are there now. */
  objects(): Promise<string[]>;
};

/** A real S3-compatible server (Versity S3 Gateway over a folder), with one empty bucket. It checks signatures and the hashes that they cover. */
export async function startS3Server(binary: string): Promise<S3Server> {
  const root = await ownFolder("test-s3");
  const [accessKey, secret, bucket] = ["tenfold", "not-a-real-secret", "artifacts"];
  await mkdir(join(root, "buckets", bucket), { recursive: true });
  const port = await freePort();
  await mkdir(join(root, "meta"), { recursive: true });
  const where = ["--port", `127.0.0.1:${port}`, "posix", "--sidecar", join(root, "meta"), join(root, "buckets")];
  const [program = binary, ...words] = [...endsWithUs("KILL"), binary, ...where];
  const child: ChildProcess = spawn(program, words, {
    env: { ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secret },
    stdio: "ignore",
  });
  child.unref();
  process.once("exit", () => child.kill("SIGKILL"));
  const endpoint = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answers = await fetch(endpoint).then(
      () => true,
      () => false,
    );
    if (answers) break;
    if (child.exitCode !== null || tries > 200) throw new Error(`The S3 server does not answer (exit code ${child.exitCode}).`);
    await pause(25);
  }
  return {
    endpoint,
    bucket,
    accessKey,
    secret,
    async objects() {
      const folder = join(root, "buckets", bucket);
      const found = await readdir(folder, { recursive: true, withFileTypes: true });
      return found.filter((one) => one.isFile()).map((one) => relative(folder, join(one.parentPath, one.name)));
    },
    async [Symbol.asyncDispose]() {
      child.ref();
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
