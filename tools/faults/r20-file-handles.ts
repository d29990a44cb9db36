import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";

const spare = 40;
const crowd = 200;

export const fault: Fault = {
  id: "R20",
  name: "file-handles",
  injected: "the platform may open 40 more files than it has open (prlimit --nofile), and 200 connections come",
  holds: [
    "connections that are open are acknowledged",
    "the platform lives on",
    "it takes connections again when the crowd is gone",
  ],
  needs: ["linux", "prlimit"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load();
    await load.more(300, 20_000);
    const open = readdirSync(`/proc/${platform.pid}/fd`).length;
    const limited = open + spare;
    execFileSync("prlimit", ["--pid", String(platform.pid), `--nofile=${limited}:${limited}`]);
    const sockets = Array.from({ length: crowd }, (): Socket => {
      const socket = connect(platform.mqttPort, "127.0.0.1");
      return socket.on("error", () => {});
    });
    await wait(1_000);
    stage.holds("devices that are connected are acknowledged", await load.more(300, 10_000));
    stage.note(`${readdirSync(`/proc/${platform.pid}/fd`).length} of ${limited} file handles in use`);
    stage.holds("the platform lives on", platform.alive());
    for (const socket of sockets) socket.destroy();
    await wait(500);
    stage.holds("it is ready for connections again", await platform.readyWithin(15_000));
    const again = stage.load();
    stage.holds("new connections are taken", await again.more(50, 10_000));
    return { injected: 1 };
  },
};
