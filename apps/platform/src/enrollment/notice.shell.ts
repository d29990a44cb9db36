import { days, describeError, hours, type Scope } from "@tenfold/base";
import type { IdentityNotice } from "@tenfold/contracts";
import { issuersInUse } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { type NoticeFacts, noticeFor } from "./notice.ts";

export type Notices = {
  /** What a device finds at `identity` now. */
  of(scope: Scope, device: string): Promise<IdentityNotice>;
  /** Tells the connected devices when what they were told before has changed. Safe to call at any time; what fails is told at the next call. */
  tell(): Promise<void>;
};

const spread = hours(6);

export type NoticeDeps = Pick<EnrollmentDeps, "db" | "clock" | "log" | "send" | "rotationWithin" | "renewalGrace"> & {
  facts: () => Omit<NoticeFacts, "within">;
  activeDevices: (since: number) => Promise<readonly string[]>;
};

export function createNotices(deps: NoticeDeps): Notices {
  const { db, clock, log, send = () => false, rotationWithin: within = spread } = deps;
  const keyOf = ({ generation, leaving }: Omit<NoticeFacts, "within">) => `${generation}/${leaving ?? ""}`;
  // Whoever connects is told, so at the start nobody has missed anything.
  let told = keyOf(deps.facts());
  return {
    async of(_scope, device) {
      const facts = deps.facts();
      const issuers = facts.leaving === undefined ? undefined : await issuersInUse(db, [device]);
      return noticeFor({ ...facts, within }, issuers?.get(device), clock.now());
    },
    async tell() {
      const facts = deps.facts();
      const key = keyOf(facts);
      if (key === told) return;
      try {
        const devices = await deps.activeDevices(clock.now() - (deps.renewalGrace ?? days(30)));
        const issuers = facts.leaving === undefined ? new Map<string, string>() : await issuersInUse(db, devices);
        const heard = devices.filter((device) => {
          const notice = noticeFor({ ...facts, within }, issuers.get(device), clock.now());
          return send(device, { topic: "identity", payload: JSON.stringify(notice) });
        });
        told = key;
        log.info("identity.told", { generation: facts.generation, devices: heard.length });
      } catch (error) {
        log.error("identity.not_told", { because: describeError(error) });
      }
    },
  };
}
