import type { DeviceCommand } from "@tenfold/contracts";
import { ago, facts } from "../../output.ts";

export function describeCommand(one: DeviceCommand): string[] {
  const { result } = one;
  return facts({
    command: one.id,
    device: one.device,
    does: `${one.name} ${JSON.stringify(one.args)}`,
    state: `${one.state}: ${one.because}`,
    given: `${ago(one.createdAt)} by ${one.givenBy}: ${one.reason}`,
    deadline: one.deadlineAt,
    sent: one.sentAt,
    delivered: one.deliveredAt,
    ended: one.endedAt,
    answer: result && [result.status, result.code, result.detail].filter((part) => part !== undefined).join(", "),
    output: result?.output === undefined ? undefined : JSON.stringify(result.output),
  });
}
