import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import { generateSigningKey, readPrivateKey, readPublicKey } from "@tenfold/ota";
import { clickHouseFront } from "@tenfold/testkit";
import { silentLog } from "../../apps/platform/src/kernel/log.ts";
import { startEmbedded } from "../../apps/platform/src/kernel/postgres/index.ts";
import { enrollFleet } from "../../bench/fleet.ts";
import type { Fault, Stage } from "./fault.ts";
import { readBook } from "./kills/book.ts";
import { startDdiDevice } from "./kills/ddi-device.ts";
import { openDiary } from "./kills/diary.ts";
import type { Plot } from "./kills/fates.ts";
import { type Kill, killOnAndOn, targets } from "./kills/killer.ts";
import { type Peace, playLane, type Round } from "./kills/lane.ts";
import { startOwnDevice } from "./kills/own-device.ts";
import type { PlayedDevice, Setting } from "./kills/setting.ts";
import { judgeRollouts } from "./kills/verdict.ts";
import type { Platform, PlatformWish } from "./platform.ts";

/** Of each protocol, in each lane. */
const devices = 4;
const lanes: Record<string, readonly Plot[]> = {
  "kills-a": ["halts", "cancelled", "good", "silent", "cancelled"],
  "kills-b": ["cancelled", "flaky", "good", "halts"],
};

export const fault: Fault = {
  id: "R2",
  name: "kills-in-rollouts",
  injected:
    "kill -9 of the platform, also while it starts, PostgreSQL, one of its backends, the store, or platform and PostgreSQL at once, again and again at random moments of rollouts that succeed, halt, are tried again, taken back and cancelled",
  holds: [
    "every rollout ends, and every deployment by its deadline",
    "no device has two updates at a time, no try is doubled, none is left out",
    "no device installs twice for one deployment, and none is told of it again after it was acknowledged",
    "what was acknowledged is in the record: ends that devices told, and boots that they proved",
    "no success without a boot",
  ],
  needs: ["linux"],
  longestMs: (goOnMs) => goOnMs + 300_000,
  async run(stage) {
    const database = join(stage.dir, "database");
    const postgres = await startEmbedded({ folder: join(database, "postgres"), log: silentLog });
    stage.onEnd(() => postgres.stop());
    const store = await storeOf(stage);
    const wish = {
      env: { TENFOLD_DATABASE_URL: postgres.url, TENFOLD_ROLLOUT_TICK: "300ms", TENFOLD_DDI_POLLING: "2s", ...store },
    };
    const platform = await stage.start(wish);
    const load = stage.load({ perSecond: 10 });
    const { rounds, kills, diary } = await playKills(stage, { platform, wish, database });
    await load.stop();
    const book = await readBook(postgres.url);
    for (const { law, broken } of judgeRollouts({ book, deeds: diary.deeds, kills, rounds: rounds.map(({ rollout }) => rollout) }))
      stage.holds(law, broken.length === 0, `${broken.length}: ${broken.slice(0, 5).join("; ")}`);
    tell(stage, { rounds, kills, deployments: book.deployments.length, deeds: diary.deeds.length });
    return { injected: kills.length };
  },
};

/** One run in four has the store's engine inside, which is killed, too; the others have one that outlives the platform, so that a start costs less. */
async function storeOf(stage: Stage): Promise<Record<string, string>> {
  if (stage.random() < 0.25) return {};
  const front = await clickHouseFront();
  stage.onEnd(async () => front[Symbol.asyncDispose]());
  return { TENFOLD_CLICKHOUSE_URL: front.url };
}

type Played = { platform: Platform; wish: Partial<PlatformWish>; database: string };

async function playKills(stage: Stage, { platform, wish, database }: Played) {
  const keys = generateSigningKey();
  await platform.client.call(api.createSigningKey, { body: { name: "kills", publicKeyPem: keys.publicKeyPem } });
  const diary = openDiary();
  const chance = (of: string) => seededRandom(`${stage.random()} ${of}`);
  const ca = await readFile(platform.ca, "utf8");
  const doors = { deviceUrl: platform.deviceUrl, mqttPort: platform.mqttPort, ca };
  const played: PlayedDevice[] = [];
  stage.onEnd(async () => void (await Promise.all(played.map((one) => one.stop()))));
  for (const model of Object.keys(lanes)) {
    const of: Omit<Setting, "chance"> = { doors, model, diary, trustedKeys: [readPublicKey(keys.publicKeyPem)] };
    const enrolled = await enrollFleet(platform, { prefix: model, devices: 2 * devices });
    played.push(
      ...enrolled.map((device, i) => (i % 2 === 0 ? startOwnDevice : startDdiDevice)({ ...of, chance: chance(device.id) }, device)),
    );
  }
  await allKnown(platform);
  let playing = true;
  const peace: Peace = new Set();
  const until = Date.now() + stage.goOnMs;
  const killing = killOnAndOn({ stage, platform, wish, database, peace, chance: chance("kills"), going: () => playing });
  const lanesPlayed = Object.entries(lanes).map(([model, plots]) =>
    playLane({
      ...{ client: platform.client, model, plots, signer: readPrivateKey(keys.privateKeyPem), until },
      ...{ peace, chance: chance(model), tell: (sentence: string) => progress(stage, sentence) },
    }),
  );
  const ended = Promise.all(lanesPlayed).finally(() => {
    playing = false;
  });
  const [rounds, kills] = await Promise.all([ended, killing]);
  // Whoever still owes the platform a word has time to say it.
  await pause(4_000);
  await Promise.all(played.map((one) => one.stop()));
  return { rounds: rounds.flat(), kills, diary };
}

/** Told as it happens, too: a run that is cut off has then said how far it came. */
function progress(stage: Stage, sentence: string): void {
  stage.note(sentence);
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${sentence}\n`);
}

/** A rollout takes in the devices that are known to be of its model when it begins. */
async function allKnown({ client }: Platform): Promise<void> {
  const wanted = Object.keys(lanes).length * 2 * devices;
  for (const giveUpAt = Date.now() + 60_000; ; await pause(250)) {
    const pages = await Promise.all(
      Object.keys(lanes).map((model) => client.call(api.listDevices, { query: { filter: `model:${model}`, limit: wanted } })),
    );
    const known = pages.flatMap(({ items }) => items).filter(({ firmware }) => firmware !== undefined).length;
    if (known === wanted) return;
    if (Date.now() > giveUpAt) throw new Error(`Only ${known} of ${wanted} devices have told what they run.`);
  }
}

function tell(stage: Stage, found: { rounds: readonly Round[]; kills: readonly Kill[]; deployments: number; deeds: number }): void {
  const { rounds, kills, deployments, deeds } = found;
  const phases = Object.entries(Object.groupBy(rounds, ({ plot, phase }) => `${plot} ${phase}`));
  stage.note(`${kills.filter(({ target }) => target === "start").length} starts were killed`);
  for (const target of targets.filter((one) => one !== "start")) {
    const back = kills.filter((kill) => kill.target === target).map(({ at, readyAt }) => readyAt - at);
    const inOrder = back.toSorted((a, b) => a - b);
    const [median, longest] = [inOrder[Math.floor(inOrder.length / 2)], inOrder.at(-1)];
    stage.note(
      `${target}: killed ${back.length} times, ready again after ${seconds(median)} s (median), ${seconds(longest)} s (longest)`,
    );
  }
  stage.note(`${kills.length} kills; ${rounds.length} rollouts, ${deployments} deployments, ${deeds} deeds of devices`);
  stage.note(phases.map(([name, of = []]) => `${name} ${of.length}`).join(", "));
}

const seconds = (ms = 0): string => (ms / 1_000).toFixed(1);
