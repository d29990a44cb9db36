/** Hardware that does not exist: a PKCS#11 token (SoftHSM2) and a TPM 2.0 (swtpm), each a third party's implementation in a process of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

const softHsmModules = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
];

/** Why there is no token here, as the reason to skip a test; false when there is one. */
export const withoutSoftHsm = (): string | false => {
  const missing = ["softhsm2-util", "p11-kit"].filter((command) => !onPath(command));
  if (missing.length > 0) return `${missing.join(" and ")} missing: install softhsm2, opensc and p11-kit`;
  return softHsmModules.some(exists) ? false : "libsofthsm2.so is not where it is looked for";
};

/** Why there is no TPM here, as the reason to skip a test; false when there is one. */
export const withoutSoftwareTpm = (): string | false => {
  const missing = ["swtpm", "swtpm_setup", "swtpm_localca"].filter((command) => !onPath(command));
  return missing.length === 0 ? false : `${missing.join(" and ")} missing: install swtpm and swtpm-tools`;
};

/** Why TLS cannot use a token's key here; false when it can. */
export const withoutKeyEngine = (): string | false =>
  exists("/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so") && exists("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so")
    ? false
    : "install libengine-pkcs11-openssl and p11-kit-modules";

const onPath = (command: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => exists(join(folder, command), constants.X_OK));

function exists(path: string, mode: number = constants.R_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

export type SoftToken = {
  /** `pkcs11:token=…` with the library and the PIN's file. */
  readonly uri: string;
  readonly label: string;
  readonly modulePath: string;
  readonly pinFile: string;
} & AsyncDisposable;

let tokens: Promise<string> | undefined;

/** A fresh token. All of a process lie in one folder, because SoftHSM2 finds it by a variable of the environment. */
export async function makeSoftToken(label: string): Promise<SoftToken> {
  tokens ??= tokenFolder();
  const folder = await tokens;
  const modulePath = softHsmModules.find((path) => exists(path)) ?? "";
  const pinFile = join(folder, `${label}.pin`);
  await writeFile(pinFile, "1234\n", { mode: 0o600 });
  await run("softhsm2-util", ["--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "5678"]);
  return {
    uri: `pkcs11:token=${label}?module-path=${modulePath}&pin-source=file:${pinFile}`,
    label,
    modulePath,
    pinFile,
    async [Symbol.asyncDispose]() {
      await run("softhsm2-util", ["--delete-token", "--token", label]).catch(() => {});
    },
  };
}

async function tokenFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-softhsm-"));
  await mkdir(join(folder, "tokens"));
  const settings = `directories.tokendir = ${folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n`;
  await writeFile(join(folder, "softhsm2.conf"), settings);
  process.env.SOFTHSM2_CONF = join(folder, "softhsm2.conf");
  return folder;
}

export type SoftwareTpm = {
  /** `tpm:?swtpm=…` */
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** The authorities that certified its endorsement keys, PEM: the root, and the one below it. */
  readonly makerRoot: string;
  readonly makerIssuing: string;
  /** Power off and on: what is not persistent is gone, counters rise. */
  restart(): Promise<void>;
} & AsyncDisposable;

/** A TPM fresh from its maker: endorsement keys (RSA-2048, P-384) with certificates in its own memory. `maker` lets several share one maker. */
export async function makeSoftwareTpm({ maker }: { maker?: string } = {}): Promise<SoftwareTpm> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-swtpm-"));
  const ca = maker ?? join(folder, "ca");
  await mkdir(ca, { recursive: true });
  await mkdir(join(folder, "state"));
  await writeFile(
    join(folder, "localca.conf"),
    ["statedir", "signingkey", "issuercert", "certserial"]
      .map(
        (name) =>
          `${name} = ${ca}${{ statedir: "", signingkey: "/sign.key", issuercert: "/issuer.pem", certserial: "/serial" }[name]}`,
      )
      .join("\n"),
  );
  await writeFile(
    join(folder, "localca.options"),
    "--platform-manufacturer Tenfold\n--platform-version 1\n--platform-model test\n",
  );
  await writeFile(
    join(folder, "setup.conf"),
    `create_certs_tool = swtpm_localca\ncreate_certs_tool_config = ${folder}/localca.conf\ncreate_certs_tool_options = ${folder}/localca.options\nactive_pcr_banks = sha256\n`,
  );
  const state = join(folder, "state");
  await run("swtpm_setup", ["--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", join(folder, "setup.conf")], {
    timeout: 60_000,
  });
  const port = await freePort();
  let child = await start(state, port);
  return {
    uri: `tpm:?swtpm=127.0.0.1:${port}`,
    host: "127.0.0.1",
    port,
    makerRoot: await readFile(join(ca, "swtpm-localca-rootca-cert.pem"), "utf8"),
    makerIssuing: await readFile(join(ca, "issuer.pem"), "utf8"),
    async restart() {
      await stop(child);
      child = await start(state, port);
    },
    async [Symbol.asyncDispose]() {
      await stop(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function start(state: string, port: number): Promise<ChildProcess> {
  const at = (channel: string, number: number) => [`--${channel}`, `type=tcp,port=${number},bindaddr=127.0.0.1`];
  // Other programs look for the control channel one port above.
  const args = ["socket", "--tpm2", "--tpmstate", `dir=${state}`, ...at("server", port), ...at("ctrl", port + 1)];
  const child = spawn("swtpm", [...args, "--flags", "not-need-init,startup-clear"], { stdio: "ignore" });
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`swtpm ended with ${child.exitCode}`);
    if (await answers(port)) return child;
    await pause(20);
  }
  child.kill("SIGKILL");
  throw new Error("swtpm did not listen within 2 s");
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on TCP, so this is no path.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
