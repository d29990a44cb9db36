import type { Fault } from "./fault.ts";

export const fault: Fault = {
  id: "R19",
  name: "memory",
  injected: "a heap of 96 MB (--max-old-space-size=96) under as many messages as the devices can send",
  holds: ["the platform does not die of it", "messages are acknowledged all the time"],
  needs: [],
  async run(stage) {
    const platform = await stage.start({ nodeFlags: ["--max-old-space-size=96"] });
    const load = stage.load({ perSecond: 3_000, window: 250 });
    for (let third = 1; third <= 3; third++)
      stage.holds("messages are acknowledged", await load.more(8_000, 20_000), `third ${third}`);
    await load.stop();
    stage.holds("the platform lives on", platform.alive());
    stage.holds("it is ready", await platform.readyWithin(15_000));
    return { injected: 1 };
  },
};
