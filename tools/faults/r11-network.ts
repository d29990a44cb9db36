import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";
import { clear, startProxy, type Weather } from "./proxy.ts";

export const fault: Fault = {
  id: "R11",
  name: "network",
  injected: "a proxy on the way: segments of one byte, delays of 0.5-2 s, connections cut in the middle of a packet",
  holds: ["messages are acknowledged in each weather", "nothing that came in halves is stored twice"],
  needs: [],
  async run(stage) {
    const platform = await stage.start();
    await using proxy = await startProxy(platform.mqttPort);
    const load = stage.load({ port: proxy.port, perSecond: 50 });
    await load.more(100, 20_000);
    const bytewise: Weather = (chunk) => ({ pieces: Array.from(chunk, (byte) => Buffer.of(byte)), pauseMs: 0, thenCut: "go on" });
    proxy.setWeather(bytewise);
    stage.holds("messages are acknowledged in segments of one byte", await load.more(200, 15_000));
    proxy.setWeather((chunk) => ({ pieces: [chunk], pauseMs: 500 + stage.random() * 1_500, thenCut: "go on" }));
    stage.holds("messages are acknowledged with delays", await load.more(50, 20_000));
    proxy.setWeather((chunk) => {
      if (stage.random() > 0.02) return clear(chunk);
      const half = chunk.subarray(0, Math.floor(stage.random() * chunk.length));
      return { pieces: [half], pauseMs: 0, thenCut: "cut" };
    });
    stage.holds("messages are acknowledged between cuts", await load.more(500, 20_000));
    const cuts = proxy.cuts();
    stage.holds("connections were cut", cuts > 0);
    proxy.setWeather(clear);
    await wait(500);
    stage.holds("messages are acknowledged when the weather is fine again", await load.more(100, 10_000));
    await load.stop();
    return { injected: 2 + cuts };
  },
};
