import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";

/** A call or property over D-Bus, by systemd's `busctl`. Answers are what `--json=short` prints, parsed. */
export type Bus = {
  call(method: string, signature?: string, ...args: readonly string[]): Promise<unknown[]>;
  property(name: string): Promise<unknown>;
};

export type BusPlace = {
  /** `unix:path=…`; the system bus unless told otherwise. */
  readonly address: string | undefined;
  readonly service: string;
  readonly object: string;
  readonly interface: string;
};

const callMs = 30_000;
const answer = z.object({ data: z.unknown() });

export function openBus({ address, service, object, interface: face }: BusPlace): Bus {
  const where = [address === undefined ? "--system" : `--address=${address}`, "--json=short", `--timeout=${callMs / 1_000}`];
  const ask = async (verb: string, ...args: readonly string[]): Promise<unknown> => {
    const { stdout } = await promisify(execFile)("busctl", [...where, verb, service, object, face, ...args], {
      timeout: callMs + 5_000,
      maxBuffer: 4 * 1_024 * 1_024,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    }).catch((cause: unknown) => {
      throw new Error(saidBy(cause) ?? `busctl could not be run for ${service}.`, { cause });
    });
    // A method without a result prints nothing.
    return stdout.trim() === "" ? [] : answer.parse(JSON.parse(stdout)).data;
  };
  return {
    async call(method, signature, ...args) {
      const said = await ask("call", method, ...(signature === undefined ? [] : [signature, ...args]));
      return z.array(z.unknown()).parse(said);
    },
    property: (name) => ask("get-property", name),
  };
}

/** What busctl wrote before it ended, without its own words. */
function saidBy(cause: unknown): string | undefined {
  const { stderr } = cause as { stderr?: unknown };
  const said = typeof stderr === "string" ? stderr.trim().replace(/^(Call failed|Failed to get property [^:]*): /, "") : "";
  return said === "" ? undefined : said.slice(0, 500);
}
