import { days, describeError, hours } from "@tenfold/base";
import type { IdentityNotice } from "@tenfold/contracts";
import { issuersInUse } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { type NoticeFacts, noticeFor } from "./notice.ts";

export type Notices = {
  /** What each of these devices finds at `identity` now. */
  of(devices: readonly string[]): Promise<Map<string, IdentityNotice>>;
  /** Tells the connected devices when what they were told before has changed. Safe to call at any time; what fails is told at the next call. */
  tell(): Promise<void>;
};

const spread = hours(6);

export type NoticeDeps = Pick<EnrollmentDeps, "db" | "clock" | "log" | "refresh" | "rotationWithin" | "renewalGrace"> & {
  facts: () => Omit<NoticeFacts, "within">;
  activeDevices: (since: number) => Promise<readonly string[]>;
};

export function createNotices(deps: NoticeDeps): Notices {
  const { db, clock, log, refresh = () => false, rotationWithin: within = spread } = deps;
  const keyOf = ({ generation, leaving }: Omit<NoticeFacts, "within">) => `${generation}/${leaving ?? ""}`;
  // Whoever connects is told, so at the start nobody has missed anything.
  let told = keyOf(deps.facts());
  return {
    async of(devices) {
      const facts = deps.facts();
      const issuers = facts.leaving === undefined ? undefined : await issuersInUse(db, devices);
      return new Map(devices.map((device) => [device, noticeFor({ ...facts, within }, issuers?.get(device), clock.now())]));
    },
    async tell() {
      const facts = deps.facts();
      const key = keyOf(facts);
      if (key === told) return;
      try {
        const devices = await deps.activeDevices(clock.now() - (deps.renewalGrace ?? days(30)));
        const heard = devices.filter((device) => refresh(device, "identity"));
        told = key;
        log.info("identity.told", { generation: facts.generation, devices: heard.length });
      } catch (error) {
        log.error("identity.not_told", { because: describeError(error) });
      }
    },
  };
}
