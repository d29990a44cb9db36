/** A device made only of `openssl` and `curl`: proof that nothing of ours is needed on the device's side. */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunningPlatform } from "../running-platform.ts";

const run = promisify(execFile);

export type ShellDevice = { id: string; key: string; cert: string };

/** Runs a program to its end within a minute; resolves to what it printed. */
export async function sh(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, args, { timeout: 60_000, maxBuffer: 32 * 1024 * 1024 });
  return stdout;
}

/** As `sh`, but resolves to the exit code and everything printed, also when it fails. */
export async function attempt(command: string, ...args: string[]): Promise<{ code: number; said: string }> {
  try {
    const { stdout, stderr } = await run(command, args, { timeout: 60_000 });
    return { code: 0, said: stdout + stderr };
  } catch (error) {
    const failed = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof failed.code === "number" ? failed.code : 1, said: `${failed.stdout ?? ""}${failed.stderr ?? ""}` };
  }
}

/** Enrolls a new device with a one-time code. */
export async function enrollByCode(platform: RunningPlatform, id: string): Promise<ShellDevice> {
  const dir = join(platform.dir, id);
  await mkdir(dir, { recursive: true });
  const [key, csr, cert] = [join(dir, "key.pem"), join(dir, "request.b64"), join(dir, "cert.pem")];
  await sh(
    "openssl",
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    key,
    "-subj",
    `/CN=${id}`,
    "-outform",
    "DER",
    "-out",
    `${csr}.der`,
  );
  await sh("openssl", "base64", "-in", `${csr}.der`, "-out", csr);
  const { code } = JSON.parse(await platform.tenfold("enroll", "code", id, "--json")) as { code: string };
  const url = `${platform.deviceUrl}/.well-known/est/simpleenroll`;
  await sh(
    "curl",
    "-sSf",
    "--cacert",
    platform.ca,
    "-u",
    `${id}:${code}`,
    "-H",
    "Content-Type: application/pkcs10",
    "--data-binary",
    `@${csr}`,
    url,
    "-o",
    `${cert}.p7.b64`,
  );
  await sh("openssl", "base64", "-d", "-in", `${cert}.p7.b64`, "-out", `${cert}.p7`);
  await writeFile(cert, await sh("openssl", "pkcs7", "-inform", "DER", "-in", `${cert}.p7`, "-print_certs"));
  return { id, key, cert };
}

/** A self-made certificate authority, and a certificate of it for `id`. */
export async function strangersDevice(platform: RunningPlatform, id: string): Promise<ShellDevice> {
  const dir = join(platform.dir, `stranger-${id}`);
  await mkdir(dir, { recursive: true });
  const at = (name: string) => join(dir, name);
  await sh(
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-subj",
    "/CN=Somebody Else",
    "-days",
    "30",
  );
  await issueByHand({ ca: at("ca.pem"), caKey: at("ca.key"), dir, id, end: "20991231000000Z" });
  return { id, key: at("key.pem"), cert: at("cert.pem") };
}

/** A certificate that our own authority signed and whose time is over, as `openssl ca` makes it with the platform's key. */
export async function expiredDevice(platform: RunningPlatform, id: string): Promise<ShellDevice> {
  const dir = join(platform.dir, `expired-${id}`);
  await mkdir(dir, { recursive: true });
  await issueByHand({ ca: platform.issuingCert, caKey: platform.issuingKey, dir, id, end: "20250102000000Z" });
  return { id, key: join(dir, "key.pem"), cert: join(dir, "cert.pem") };
}

type ByHand = { ca: string; caKey: string; dir: string; id: string; end: string };

async function issueByHand({ ca, caKey, dir, id, end }: ByHand): Promise<void> {
  const at = (name: string) => join(dir, name);
  await sh(
    "openssl",
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    at("key.pem"),
    "-subj",
    `/CN=${id}`,
    "-out",
    at("request.pem"),
  );
  const config = `[ca]\ndefault_ca=d\n[d]\ndatabase=${at("index")}\nnew_certs_dir=${dir}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n`;
  await writeFile(at("ca.cnf"), config);
  await writeFile(at("index"), "");
  await sh(
    "openssl",
    "ca",
    "-batch",
    "-notext",
    "-config",
    at("ca.cnf"),
    "-cert",
    ca,
    "-keyfile",
    caKey,
    "-in",
    at("request.pem"),
    "-out",
    at("cert.pem"),
    "-startdate",
    "20250101000000Z",
    "-enddate",
    end,
  );
  await readFile(at("cert.pem"));
}
