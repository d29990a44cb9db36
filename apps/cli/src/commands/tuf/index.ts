import type { Command } from "commander";
import { tufInit } from "./init.ts";
import { tufOnline } from "./online.ts";
import { tufPublish } from "./publish.ts";
import { tufRotate } from "./rotate.ts";
import { tufDelist, tufRenew, tufSign } from "./sign.ts";
import { tufStatus } from "./status.ts";
import { tufVerify } from "./verify.ts";

export function tufCommands(program: Command): void {
  const tuf = program.command("tuf").description("Signed metadata: roots, keys and thresholds, off line; what devices believe");
  for (const add of [tufInit, tufOnline, tufPublish, tufStatus, tufVerify, tufRotate, tufSign, tufRenew, tufDelist]) add(tuf);
}
