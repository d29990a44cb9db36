/** The board: flash in a file, a boot loader, and Zephyr as a process behind a TAP device in a network namespace of its own. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { RunningPlatform } from "../../running-platform.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import type { ShellDevice } from "../shell-device.ts";
import type { Built } from "./build.ts";
import { bootFlash, type ImgTool, type Started } from "./mcuboot.ts";

/** What an image holds whose start fails. */
export const brokenPayload = "does not start";

export type Board = AsyncDisposable & {
  flash: string;
  /** Power on: boots, and boots again after each reset, until `off`. */
  on(): void;
  off(): Promise<void>;
  /** The versions that were started, oldest first. */
  started: readonly string[];
  log(): Promise<string>;
};

type Making = { device: ShellDevice; serial: string; built: Built; tool: ImgTool };

export async function makeBoard(platform: RunningPlatform, { device, serial, built, tool }: Making): Promise<Board> {
  const network = await makeNetwork(platform);
  const at = (name: string) => join(platform.dir, name);
  const [flash, logFile] = [at("flash.bin"), at("board.log")];
  const started: string[] = [];
  let power = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let current: Daemon | undefined;

  const live = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const image: Started = await bootFlash(flash, tool);
      started.push(image.version);
      // Such an image hangs, and a watchdog resets the board.
      if (image.payload.includes(brokenPayload)) continue;
      const options = [`-flash=${flash}`, `-ca=${platform.ca}`, `-cert=${device.cert}`, `-key=${device.key}`, `-serial=${serial}`];
      const seed = `-seed=${Math.floor(Math.random() * 2 ** 31)}`;
      current = startDaemon({
        command: "ip",
        args: ["netns", "exec", network.namespace, built.program, ...options, seed],
        logFile,
      });
      await current.ended;
    }
  };
  const off = async (): Promise<void> => {
    power.abort();
    await current?.cutPower();
    await running;
  };
  return {
    flash,
    started,
    on() {
      power = new AbortController();
      running = live(power.signal);
    },
    off,
    log: async () => (await current?.log()) ?? "",
    async [Symbol.asyncDispose]() {
      await off();
      await network[Symbol.asyncDispose]();
    },
  };
}

type BoardNetwork = AsyncDisposable & { namespace: string };

/** The board has 192.0.2.1; beside it 192.0.2.2 answers for `tenfold.test`, and leads to the platform's device port. */
async function makeNetwork(platform: RunningPlatform): Promise<BoardNetwork> {
  const namespace = `tenfold-${process.pid}-0`;
  const ip = (...words: string[]) => execFileSync("ip", words, { stdio: "pipe" });
  ip("netns", "add", namespace);
  const within = (...words: string[]) => ip("-n", namespace, ...words);
  within("link", "set", "lo", "up");
  within("tuntap", "add", "zeth", "mode", "tap");
  within("addr", "add", "192.0.2.2/24", "dev", "zeth");
  within("link", "set", "zeth", "up");
  const socket = join(platform.dir, "device-port.sock");
  const port = Number(new URL(platform.deviceUrl).port);
  const outside = createServer((incoming) => {
    const outgoing = connect({ host: "127.0.0.1", port });
    for (const one of [incoming, outgoing]) one.on("error", () => [incoming, outgoing].forEach((each) => void each.destroy()));
    incoming.pipe(outgoing).pipe(incoming);
  });
  outside.listen(socket);
  await once(outside, "listening");
  const inside = (name: string, ...words: string[]) =>
    startDaemon({ command: "ip", args: ["netns", "exec", namespace, ...words], logFile: join(platform.dir, `${name}.log`) });
  const relay = inside("relay", "socat", "TCP4-LISTEN:8443,bind=192.0.2.2,reuseaddr,fork", `UNIX-CONNECT:${socket}`);
  const names = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file="];
  const dns = inside(
    "dns",
    "dnsmasq",
    ...names,
    "--listen-address=192.0.2.2",
    "--bind-interfaces",
    "--address=/tenfold.test/192.0.2.2",
  );
  return {
    namespace,
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
      outside.close();
      ip("netns", "del", namespace);
    },
  };
}
