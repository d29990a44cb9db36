import type { EnrolledDevice } from "../../bench/fleet.ts";
import type { Load, LoadOptions } from "./load.ts";
import type { Platform, PlatformWish } from "./platform.ts";

/** What a fault cannot do without. `root` and `loop` are of the machine, the others are programs of Debian. */
export type Need = "linux" | "root" | "loop" | "strace" | "faketime" | "prlimit" | "fallocate" | "mkfs.ext4" | "ip" | "nft";

export type Fault = {
  /** As in docs/operate/faults.md. */
  id: string;
  name: string;
  injected: string;
  /** Sentences, besides the law that whatever was acknowledged is stored exactly once. */
  holds: string[];
  needs: Need[];
  /** How long it may take, in milliseconds; three minutes where it does not say. One that can go on for any time is told how long it is to. */
  longestMs?: number | ((goOnMs: number) => number);
  /** Injects while a load runs. Returns how often it did. A promise that is not kept goes to `stage.holds`. */
  run(stage: Stage): Promise<{ injected: number }>;
};

/** Where a fault is played: a platform of its own, a few devices, and the account of what was acknowledged. */
export type Stage = AsyncDisposable & {
  /** A folder of this fault alone, gone afterwards. */
  dir: string;
  /** Decides all chance, so that a run can be repeated. */
  random: () => number;
  /** For how long a fault that can go on for any time is to begin something new, in milliseconds. */
  goOnMs: number;
  /** Starts the platform, on the same ports every time. The first start also enrolls the devices. */
  start(wish?: Partial<PlatformWish>): Promise<Platform>;
  devices(): EnrolledDevice[];
  load(options?: LoadOptions): Load;
  /** Notes whether a promise was kept; goes on either way. */
  holds(sentence: string, kept: boolean, found?: string): void;
  /** Tells something that was found, without judging it. */
  note(sentence: string): void;
  /** Mounts a file system that is unmounted with the stage. */
  onEnd(undo: () => Promise<void> | void): void;
};
