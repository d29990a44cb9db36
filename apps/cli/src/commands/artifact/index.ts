import type { Command } from "commander";
import { artifactKey } from "./key.ts";
import { artifactPush } from "./push.ts";
import { artifactSign } from "./sign.ts";
import { artifactUploads } from "./uploads.ts";
import { artifactVerify } from "./verify.ts";

export function artifactCommands(program: Command): void {
  const artifact = program.command("artifact").description("Firmware images, and the signatures that make releases of them");
  for (const add of [artifactKey, artifactSign, artifactVerify, artifactPush, artifactUploads]) add(artifact);
}
