import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Words before a command, so that it gets this signal when the process that started it ends, however that ends (`kill -9` too): the kernel sends it
 * (PR_SET_PDEATHSIG, by util-linux' `setpriv`). Nothing where there is no such program. Not for programs that fork themselves into the background.
 */
export function endsWithUs(signal: "TERM" | "KILL"): string[] {
  return process.platform === "linux" && onPath("setpriv") ? ["setpriv", "--pdeathsig", signal, "--"] : [];
}

const onPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
