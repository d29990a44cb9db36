import { z } from "zod";

/** From the most to the least careful. A device that follows a channel takes what is in it and in the ones before it. */
export const releaseChannels = ["stable", "beta", "dev"] as const;
export const releaseChannel = z.enum(releaseChannels);
export type ReleaseChannel = z.infer<typeof releaseChannel>;

/** The channel that a device follows: its tag `channel`, and `stable` where that names none. */
export function channelFollowed(tags: Readonly<Record<string, string>>): ReleaseChannel {
  const told = Object.hasOwn(tags, "channel") ? tags.channel : undefined;
  return releaseChannels.find((channel) => channel === told) ?? "stable";
}

/** Whether who follows one channel takes releases of another. */
export const takesChannel = (follows: ReleaseChannel, released: ReleaseChannel): boolean =>
  releaseChannels.indexOf(released) <= releaseChannels.indexOf(follows);
