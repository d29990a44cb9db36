import { setTimeout as wait } from "node:timers/promises";
import { api, type DeadLetter } from "@tenfold/contracts";
import type { Fault } from "./fault.ts";
import type { Platform } from "./platform.ts";
import { connectPostgres } from "./postgres.ts";

const poisoned = "fault-0";

export const fault: Fault = {
  id: "R26",
  name: "poison-message",
  injected: "heartbeats of one device that PostgreSQL refuses each time (a trigger that throws), for 10 s",
  holds: [
    "messages of all devices are acknowledged and stored meanwhile",
    "the other devices stay online by their heartbeats of 3 s",
    "only that device's heartbeats are dead letters, with the reason, and its page says so",
    "each is applied once the cause is mended, and none is left",
  ],
  needs: ["linux"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load({ leaseS: 3, perSecond: 50 });
    await load.more(300, 20_000);
    await using postgres = await connectPostgres(platform.dataDir);
    await postgres.ask(`create function registry.poison() returns trigger language plpgsql as $$ begin
      if new.id = '${poisoned}' and new.heartbeat_at is distinct from old.heartbeat_at then raise exception 'poisoned on purpose'; end if; return new; end $$`);
    await postgres.ask("create trigger poison before update on registry.device for each row execute function registry.poison()");
    stage.holds("messages are acknowledged meanwhile", await load.more(1_000, 20_000));
    await wait(10_000);
    const letters = await lettersOf(platform);
    stage.holds("its heartbeats are dead letters", letters.length > 0);
    stage.holds(
      "no other device's message is one, and the reason is told",
      letters.every(
        ({ device, channel, because }) => device === poisoned && channel === "heartbeat" && because.includes("on purpose"),
      ),
      JSON.stringify(letters.map(({ device, channel, because }) => [device, channel, because]).slice(0, 5)),
    );
    const { items } = await platform.client.call(api.listDevices, { query: {} });
    const away = items.filter(({ id, connectivity }) => id !== poisoned && connectivity.is !== "online");
    stage.holds(
      "the other devices stay online",
      away.length === 0,
      away.map(({ id, connectivity }) => `${id}: ${connectivity.because}`).join("; "),
    );
    await postgres.ask("drop trigger poison on registry.device");
    await wait(1_500);
    for (const { id } of await lettersOf(platform)) {
      const { applied, because = "" } = await platform.client.call(api.applyDeadLetter, { params: { id } });
      stage.holds(`the dead letter ${id} is applied`, applied, because);
    }
    stage.holds("none is left", (await lettersOf(platform)).length === 0);
    await load.stop();
    return { injected: letters.length };
  },
};

const lettersOf = async ({ client }: Platform): Promise<DeadLetter[]> =>
  (await client.call(api.listDeadLetters, { query: { limit: 1_000 } })).items;
