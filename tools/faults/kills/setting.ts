import type { PublicKey } from "@tenfold/ota";
import type { Diary } from "./diary.ts";

/** What all devices of a lane have in common. */
export type Setting = {
  /** Where devices come in, and the PEM that they trust. */
  doors: { deviceUrl: string; mqttPort: number; ca: string };
  model: string;
  diary: Diary;
  chance: () => number;
  trustedKeys: readonly PublicKey[];
};

export type PlayedDevice = { stop(): Promise<void> };
