import { versionKey } from "@tenfold/base";
import { z } from "zod";
import { releaseProblems } from "../errors.ts";

/** One thing that an SBOM lists. `purl` is a package URL (ECMA-427). */
export type Component = { name: string; version?: string; purl?: string; type: string; licences: string[] };

/** What is read of a CycloneDX document, after its own schema has passed it (cyclonedx.shell.ts). */
export type Sbom = { specVersion: string; serialNumber?: string; components: Component[]; vulnerabilities: number };

/** Bounds for what one document may make us store. */
const mostComponents = 50_000;

const licence = z.object({
  license: z.object({ id: z.string().optional(), name: z.string().optional() }).optional(),
  expression: z.string().optional(),
});
type Node = z.infer<typeof node>;
const node = z.object({
  type: z.string(),
  name: z.string(),
  version: z.string().optional(),
  purl: z.string().optional(),
  licenses: z.array(licence).optional(),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
  get components() {
    return z.array(node).optional();
  },
});
const document = z.object({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string(),
  serialNumber: z.string().optional(),
  metadata: z.object({ component: node.optional() }).optional(),
  components: z.array(node).optional(),
  vulnerabilities: z.array(z.unknown()).optional(),
});

/** The format of a document, as far as one line tells; undefined where it is no CycloneDX. */
export function specVersionOf(parsed: unknown): string | undefined {
  const told = z.object({ bomFormat: z.literal("CycloneDX"), specVersion: z.string() }).safeParse(parsed);
  return told.success ? told.data.specVersion : undefined;
}

/**
 * Reads what we keep of a document. Where it says which file it describes (`metadata.component.hashes`), that must be this artifact: the
 * SBOM of another build is worse than none.
 */
export function readSbom(parsed: unknown, artifact: { sha256: string }): Sbom {
  const { specVersion, serialNumber, metadata, components = [], vulnerabilities = [] } = document.parse(parsed);
  const said = metadata?.component?.hashes?.find(({ alg }) => alg === "SHA-256")?.content.toLowerCase();
  if (said !== undefined && said !== artifact.sha256)
    throw releaseProblems.attachment_of_another(
      `The SBOM describes a file with the SHA-256 ${said}; the release's artifact has ${artifact.sha256}.`,
      {
        field: "metadata.component.hashes",
        fix: "Attach the SBOM of this very build.",
      },
    );
  const listed = flat(components).map(componentOf);
  if (listed.length > mostComponents)
    throw releaseProblems.attachment_invalid(`The SBOM lists ${listed.length} components; at most ${mostComponents} are taken.`, {
      field: "components",
    });
  return { specVersion, components: listed, vulnerabilities: vulnerabilities.length, ...(serialNumber ? { serialNumber } : {}) };
}

/** Components may hold components (an image its packages); each counts. */
function flat(nodes: readonly Node[]): Node[] {
  const all: Node[] = [];
  const queue = [...nodes];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    all.push(next);
    queue.push(...(next.components ?? []));
  }
  return all;
}

const componentOf = ({ type, name, version, purl, licenses = [] }: Node): Component => ({
  type,
  name: name.slice(0, 500),
  licences: licenses
    .flatMap(({ license, expression }) => expression ?? license?.id ?? license?.name ?? [])
    .map((one) => one.slice(0, 200)),
  ...(version ? { version: version.slice(0, 200) } : {}),
  ...(purl ? { purl: purl.slice(0, 1_000) } : {}),
});

/** How deep a JSON text is nested, without reading it: a validator that recurses must not be led into the ground. */
export function nesting(text: string): number {
  let [depth, most] = [0, 0];
  for (const [bracket] of text.replace(/"(?:[^"\\]|\\.)*"/gs, "").matchAll(/[[\]{}]/g)) {
    depth += bracket === "[" || bracket === "{" ? 1 : -1;
    most = Math.max(most, depth);
  }
  return most;
}

/** How names are compared: case does not matter. */
export const nameKey = (name: string): string => name.toLowerCase();

export type Asked = { name?: string; purl?: string; version?: { compare: "<" | "<=" | "=" | ">=" | ">"; key: string } };

const comparison = /^(<=|>=|<|>|=)?\s*(.+)$/;

/**
 * What is looked for: a name, a package URL (with or without its version), and a version with a comparison. `openssl<3.0.14` in one word is
 * understood too.
 */
export function readQuestion({
  component,
  purl,
  version,
}: {
  component?: string | undefined;
  purl?: string | undefined;
  version?: string | undefined;
}): Asked {
  const [, name = component, signInWord, versionInWord] = /^([^<>=]+?)\s*(<=|>=|<|>|=)\s*(.+)$/.exec(component ?? "") ?? [];
  const [, sign = "=", wanted] = comparison.exec(version ?? (versionInWord ? `${signInWord}${versionInWord}` : "")) ?? [];
  if (!name && !purl)
    throw releaseProblems.component_question_invalid("Name what to look for: a component, or a package URL.", {
      field: "query.component",
      fix: "For example: component=openssl&version=<3.0.14, or purl=pkg:deb/debian/openssl",
    });
  return {
    ...(name ? { name: nameKey(name) } : {}),
    ...(purl ? { purl } : {}),
    // The pattern above lets nothing else through.
    ...(wanted ? { version: { compare: sign as "<", key: versionKey(wanted) } } : {}),
  };
}
