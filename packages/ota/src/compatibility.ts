import { compareVersions } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";

/** What a release says about where it may be installed. */
export type Compatibility = Pick<
  ReleaseStatement,
  "name" | "version" | "models" | "hardwareRevisions" | "minimumVersion" | "mustPassThrough"
>;

/** What is known of a device; what is unknown is left out. */
export type Fitting = { model?: string | undefined; hardwareRevision?: string | undefined; version?: string | undefined };

export type MisfitCause = "model" | "hardware" | "minimum_version" | "pass_through";

/** Why a release does not fit a device. `stone` is the version that has to be installed first. */
export type Misfit =
  | { because: Exclude<MisfitCause, "pass_through">; detail: string }
  | { because: "pass_through"; stone: string; detail: string };

/**
 * Whether a release may be installed on a device: the same judgement on the server, when it chooses whom to offer, and on the device,
 * which has the last word (docs/protocol/updates.md U7). What a limited release needs to know and nobody says is a misfit. An unknown
 * version is the exception, because a device that has never spoken cannot be excluded by what it runs: it will judge by itself.
 */
export function misfitOf(release: Compatibility, { model, hardwareRevision, version }: Fitting): Misfit | undefined {
  const named = `${release.name} ${release.version}`;
  if (release.models.length > 0 && (model === undefined || !release.models.includes(model)))
    return { because: "model", detail: `${named} is for ${release.models.join(", ")}; this is ${model ?? "an unknown model"}.` };
  const { hardwareRevisions, minimumVersion } = release;
  if (hardwareRevisions && (hardwareRevision === undefined || !hardwareRevisions.includes(hardwareRevision)))
    return {
      because: "hardware",
      detail: `${named} is for hardware ${hardwareRevisions.join(", ")}; this is ${hardwareRevision ?? "an unknown revision"}.`,
    };
  if (version === undefined) return undefined;
  if (minimumVersion !== undefined && compareVersions(version, minimumVersion) < 0)
    return {
      because: "minimum_version",
      detail: `${named} is installed over ${minimumVersion} or newer; this runs ${version}.`,
    };
  const stone = nextStone(release, version);
  if (stone === undefined) return undefined;
  return { because: "pass_through", stone, detail: `${named} comes after ${stone}, which is not installed: this runs ${version}.` };
}

/** The oldest stepping stone that a device with this version still has before it. */
export const nextStone = ({ mustPassThrough }: Pick<Compatibility, "mustPassThrough">, version: string): string | undefined =>
  mustPassThrough?.find((stone) => compareVersions(version, stone) < 0);
