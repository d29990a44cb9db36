import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { releaseProblems } from "../errors.ts";
import { specVersionOf } from "./sbom.ts";

const versions = new Map([
  ["1.4", Spec.Version.v1dot4],
  ["1.5", Spec.Version.v1dot5],
  ["1.6", Spec.Version.v1dot6],
  ["1.7", Spec.Version.v1dot7],
] as const);
const validators = new Map<string, Validation.JsonStrictValidator>();

/** Holds a document against the schema of its own CycloneDX version; refuses what does not fit and says where. */
export async function assertCycloneDx(text: string, parsed: unknown): Promise<void> {
  const told = specVersionOf(parsed);
  const version = versions.get(told as "1.6");
  if (version === undefined)
    throw releaseProblems.attachment_invalid(
      told === undefined
        ? "The document is no CycloneDX SBOM: bomFormat and specVersion must say so."
        : `CycloneDX ${told} is not known here.`,
      { field: "specVersion", fix: `A CycloneDX document in JSON, version ${[...versions.keys()].join(", ")}.` },
    );
  const validator = validators.get(version) ?? new Validation.JsonStrictValidator(version);
  validators.set(version, validator);
  const found = await validator.validate(text);
  if (found === null) return;
  const [first] = [found].flat() as { instancePath?: string; message?: string; params?: object }[];
  const field = (first?.instancePath ?? "").replace(/^\//, "").replaceAll("/", ".") || "document";
  throw releaseProblems.attachment_invalid(
    `The SBOM is not valid CycloneDX ${version}: ${field}: ${first?.message ?? "unreadable"}${first?.params ? ` (${JSON.stringify(first.params)})` : ""}.`,
    { field, fix: "Make it anew with a tool that writes valid CycloneDX, such as syft or cdxgen." },
  );
}
