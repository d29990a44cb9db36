import { createHash } from "node:crypto";
import type { DeploymentReason, ReleaseStatement } from "@tenfold/contracts";

export type ExpectedArtifact = ReleaseStatement["artifact"];

export type ArtifactFault = {
  is: "fault";
  because: Extract<DeploymentReason, "download_hash_mismatch" | "download_size_mismatch">;
  detail: string;
};

/** Watches an artifact go by. After a fault nothing more may be written anywhere: the bytes are not the release's. */
export type ArtifactVerifier = {
  /** Call for each piece, in order, from byte 0 (a resumed download feeds what is already on disk first). */
  update(chunk: Uint8Array): ArtifactFault | undefined;
  /** Call once at the end. */
  finish(): { is: "complete" } | ArtifactFault;
  readonly received: number;
};

/** Checks size and SHA-256 against the signed statement while the bytes stream; holds no more than one piece in memory. */
export function verifyArtifact(expected: ExpectedArtifact): ArtifactVerifier {
  const hash = createHash("sha256");
  let received = 0;
  return {
    get received() {
      return received;
    },
    update(chunk) {
      received += chunk.byteLength;
      // An endless download must not fill the disk before its hash is known to be wrong.
      if (received > expected.size) return wrongSize(`at least ${received}`, expected);
      hash.update(chunk);
      return undefined;
    },
    finish() {
      if (received !== expected.size) return wrongSize(String(received), expected);
      const sha256 = hash.digest("hex");
      if (sha256 === expected.sha256) return { is: "complete" };
      return {
        is: "fault",
        because: "download_hash_mismatch",
        detail: `The bytes hash to ${sha256}; the release says ${expected.sha256}.`,
      };
    },
  };
}

const wrongSize = (received: string, { size }: ExpectedArtifact): ArtifactFault => ({
  is: "fault",
  because: "download_size_mismatch",
  detail: `The artifact has ${received} bytes; the release says ${size}.`,
});
