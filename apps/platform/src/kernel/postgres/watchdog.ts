import { type ChildProcess, spawn } from "node:child_process";
import type { Account } from "./account.ts";

/**
 * A shell that holds one end of a pipe whose other end is ours. When we end, however we end (`kill -9` too), the pipe closes, and the
 * shell stops PostgreSQL: fast first, then at once, then by force. It either starts PostgreSQL itself (pid 0) or guards one that lives;
 * a server that it has not started it only touches while the data folder still names that pid.
 */
const script = `
trap '' INT TERM HUP
cluster=$1 pid=$2 first=$3
shift 3
mine=no
if [ "$pid" = 0 ]; then "$@" 3<&- & pid=$!; mine=yes; fi
named() { [ $mine = yes ] || { read -r now < "$cluster/postmaster.pid" && [ "$now" = "$pid" ]; } 2>/dev/null; }
alive() { named && kill -0 "$pid" 2>/dev/null; }
guard() {
  while read -r _; do :; done
  for signal in $first QUIT KILL; do
    alive || exit 0
    kill -$signal "$pid"
    n=0
    while [ $n -lt 50 ] && alive; do sleep 0.2; n=$((n + 1)); done
  done
}
if [ $mine = no ]; then guard <&3; exit; fi
guard <&3 & watcher=$!
exec 3<&-
wait "$pid"; code=$?
kill -KILL "$watcher" 2>/dev/null
exit $code
`;

export type Watched = {
  cluster: string;
  /** What to do when we are gone: `INT` writes everything down first, `QUIT` leaves that to the next start. */
  first: "INT" | "QUIT";
  account: Account | undefined;
  env: Record<string, string>;
  /** Open for appending: where PostgreSQL complains. */
  logFd: number;
} & ({ command: readonly string[] } | { pid: number });

/** Starts the watchdog, in a session of its own, so that a terminal's Ctrl-C reaches only us. It does not keep this process alive. */
export function startWatchdog(watched: Watched): ChildProcess {
  const { cluster, first, account, env, logFd } = watched;
  const [pid, command] = "pid" in watched ? [watched.pid, []] : [0, watched.command];
  const child = spawn("/bin/sh", ["-c", script, "tenfold-postgres-watchdog", cluster, String(pid), first, ...command], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...env },
    stdio: ["ignore", logFd, logFd, "pipe"],
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  child.unref();
  const pipe = child.stdio[3];
  // Nothing is ever written; what matters is that it closes when we end.
  pipe?.on("error", () => {});
  if (pipe !== null && pipe !== undefined && "unref" in pipe && typeof pipe.unref === "function") pipe.unref();
  return child;
}
