import { api, type Device } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import type { IconName } from "../parts/icons.tsx";
import { judgeChange, type LifecycleVerb } from "./device.ts";

type Change = {
  verb: LifecycleVerb;
  word: string;
  icon: IconName;
  operation: typeof api.suspendDevice;
  effect: string;
  danger?: true;
};

const changes: readonly Change[] = [
  {
    verb: "suspend",
    word: "Suspend",
    icon: "pause",
    operation: api.suspendDevice,
    effect: "The device is refused and its connections are closed within a second, until it is resumed.",
  },
  {
    verb: "resume",
    word: "Resume",
    icon: "play",
    operation: api.resumeDevice,
    effect: "The device may connect again, with the certificate that it has.",
  },
  {
    verb: "quarantine",
    word: "Quarantine",
    icon: "halted",
    operation: api.quarantineDevice,
    effect:
      "For a device that may have been taken over: it is refused, its connections are closed, and it is marked for the security people.",
    danger: true,
  },
  {
    verb: "retire",
    word: "Retire",
    icon: "cross",
    operation: api.retireDevice,
    effect: "Its identity is revoked for ever; its history stays. This cannot be undone: the hardware must enroll anew.",
    danger: true,
  },
];

/** What can be done to a device's admission. What cannot be done now says why. */
export function LifecycleActions({ device }: { device: Device }) {
  const allowed = useMay(api.suspendDevice);
  return changes.map(({ verb, word, icon, operation, effect, danger }) => (
    <ActionButton
      key={verb}
      operation={operation}
      callWith={(reason) => ({ params: { id: device.id }, body: { reason } })}
      verb={word}
      icon={icon}
      title={`${word} ${device.id}`}
      cli={cli.changeDevice(verb, device.id)}
      allowed={judgeChange(verb, device.lifecycle, allowed)}
      {...(danger ? { danger } : {})}
    >
      {effect}
    </ActionButton>
  ));
}
