import { days, hours } from "@tenfold/base";

/** A session ends when nobody used it for `idle`, and at the latest when it is `absolute` old. A one-time link lasts `link`. */
export const lifetimes = { idle: hours(12), absolute: days(7), link: hours(24) } as const;

export type SessionTimes = { createdAt: Date; lastSeenAt: Date; endedAt: Date | null };

/** True while the session signs its person in. */
export function isOpen({ createdAt, lastSeenAt, endedAt }: SessionTimes, now: number): boolean {
  return endedAt === null && now - lastSeenAt.getTime() < lifetimes.idle && now - createdAt.getTime() < lifetimes.absolute;
}

const reading = new Set(["GET", "HEAD", "OPTIONS"]);

export type Sender = {
  method: string;
  origin: string | undefined;
  host: string | undefined;
  /** The console's address when a proxy stands in front, which may have replaced the host. */
  publicUrl?: string | undefined;
};

/**
 * True when a request that carries a cookie may have been meant by the person: it only reads, or it comes from a page of this very host.
 * Browsers send `Origin` with everything that changes state; a request without it is not from a page of ours.
 */
export function isMeant({ method, origin, host, publicUrl }: Sender): boolean {
  if (reading.has(method)) return true;
  if (origin === undefined || !URL.canParse(origin)) return false;
  if (publicUrl !== undefined && new URL(publicUrl).origin === new URL(origin).origin) return true;
  return new URL(origin).host === host?.toLowerCase();
}
