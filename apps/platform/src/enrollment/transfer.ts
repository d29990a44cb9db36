import type { Lifecycle, TransferKind } from "@tenfold/contracts";

/** What is looked at: `last` is the newest of the device's transfers, `undefined` where it has none. */
export type TransferPicture = {
  readonly device: string;
  /** Undefined where the registry does not know the device. */
  readonly lifecycle: Lifecycle | undefined;
  readonly last: TransferKind | undefined;
};

export type TransferVerdict =
  | { readonly is: "allowed" }
  | { readonly is: "refused"; readonly reason: string; readonly fix: string };

const allowed = { is: "allowed" } as const;
const no = (reason: string, fix: string): TransferVerdict => ({ is: "refused", reason, fix });
const unknown = (device: string): TransferVerdict =>
  no(`Device ${device} is not registered.`, "See the devices with: tenfold device list");

/** A device goes to another owner: once, and as long as it is somebody's here. Pure, as the others. */
export function judgeDeparture({ device, lifecycle, last }: TransferPicture): TransferVerdict {
  if (lifecycle === undefined) return unknown(device);
  if (last === "out")
    return no(`Device ${device} was transferred before.`, "Get its voucher again: `tenfold device transfers` names it.");
  if (lifecycle === "retired")
    return no(`Device ${device} is retired.`, `Bring it back first: \`tenfold device return ${device}\`.`);
  return allowed;
}

/** A device comes from another owner: one that was never here, or that left for good. */
export function judgeArrival({ device, lifecycle }: TransferPicture): TransferVerdict {
  if (lifecycle === undefined || lifecycle === "retired") return allowed;
  return no(`Device ${device} is here already, and ${lifecycle}.`, "Retire or transfer it first if the voucher is right.");
}

/** The same board comes back from repair: it must prove itself anew. One that went to another owner comes back by that owner's voucher. */
export function judgeReturn({ device, lifecycle, last }: TransferPicture): TransferVerdict {
  if (lifecycle === undefined) return unknown(device);
  if (last === "out")
    return no(`Device ${device} belongs to another owner.`, "Take it in with that owner's voucher: `tenfold device receive`.");
  if (last === "replaced")
    return no(`Device ${device} was replaced by another board.`, "Replace that board by this one: `tenfold device replace`.");
  if (lifecycle === "expected" || lifecycle === "pending")
    return no(`Device ${device} is ${lifecycle}: it has nothing to come back from.`, "Enroll it.");
  return allowed;
}

export type ReplacementPicture = { readonly old: TransferPicture; readonly board: TransferPicture };

/** Another board takes a device's place. The board may have been announced or enrolled; it may not be somebody else's successor, or barred. */
export function judgeReplacement({ old, board }: ReplacementPicture): TransferVerdict {
  if (old.lifecycle === undefined) return unknown(old.device);
  if (old.device === board.device)
    return no("A device cannot replace itself.", `Bring it back: \`tenfold device return ${old.device}\`.`);
  if (old.last === "out")
    return no(`Device ${old.device} belongs to another owner.`, "There is nothing here that could be replaced.");
  if (old.last === "replaced") return no(`Device ${old.device} was replaced before.`, "Replace its successor.");
  if (board.last === "replaces" || board.last === "replaced")
    return no(`Device ${board.device} has taken part in a replacement before.`, "Take another board.");
  if (board.lifecycle === "suspended" || board.lifecycle === "quarantined" || board.lifecycle === "retired")
    return no(`Device ${board.device} is ${board.lifecycle}.`, "Resume it, bring it back, or take another board.");
  return allowed;
}
