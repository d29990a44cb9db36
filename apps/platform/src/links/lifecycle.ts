import type { LiveEvent } from "@tenfold/contracts";

export type Bar = { device: string; fingerprint?: string; because: string; detail: string };

const barred = new Set(["suspended", "quarantined", "retired"]);

/** Whom an event bars from going on, if anybody. What the event does not say in readable form bars the whole device. */
export function barredBy({ type, subject, data }: LiveEvent): Bar | undefined {
  const device = typeof data.device === "string" ? data.device : subject;
  if (type === "certificate.revoked") {
    const fingerprint = typeof data.fingerprint === "string" ? { fingerprint: data.fingerprint } : {};
    return { device, ...fingerprint, because: "certificate_revoked", detail: "The certificate of this connection was revoked." };
  }
  const { lifecycle } = data;
  if (type !== "device.lifecycle_changed" || typeof lifecycle !== "string" || !barred.has(lifecycle)) return undefined;
  return { device, because: `device_${lifecycle}`, detail: `The device was ${lifecycle}.` };
}
