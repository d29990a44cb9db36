import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { seconds } from "@tenfold/base";
import { type KeyStore, makePrivateFolder, toPem, writeFileAtomically } from "@tenfold/pki";
import { type OwnAuthority, openAuthority } from "./authority.shell.ts";
import { authorityKeys } from "./authority-keys.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { askingKeyStore, publishAuthority, readAuthority } from "./signing.shell.ts";

const patience = seconds(30);

/**
 * Opens the installation's first authority: from the keys of this process (files, or a token), which tells the others by the database which one it is; or,
 * in a process that asks, from what the database tells, with keys that sign elsewhere. Such a process waits a while for the first one.
 */
export async function openInstallation(deps: EnrollmentDeps): Promise<{ authority: OwnAuthority; keys: KeyStore }> {
  const { db, clock, dataDir, hostnames } = deps;
  const folder = join(dataDir, "pki");
  const wish = { folder, hostnames, now: clock.now() };
  if (deps.authority !== "ask") {
    const keys = authorityKeys({ folder, place: deps.caKey, pin: deps.caPin });
    const authority = await openAuthority({ ...wish, keys });
    await publishAuthority(db, { root: authority.root, issuing: authority.issuing.certificate });
    return { authority, keys };
  }
  const told = await untilTold(deps);
  await makePrivateFolder(folder);
  await writeFileAtomically(join(folder, "root.pem"), toPem("CERTIFICATE", told.root), 0o644);
  await writeFileAtomically(join(folder, "issuing.pem"), toPem("CERTIFICATE", told.issuing), 0o644);
  const keys = askingKeyStore(deps);
  return { authority: await openAuthority({ ...wish, keys }), keys };
}

async function untilTold({ db, log }: EnrollmentDeps): Promise<{ root: Buffer; issuing: Buffer }> {
  for (let waited = 0; waited < patience; waited += 500) {
    const told = await readAuthority(db);
    if (told !== undefined) return told;
    if (waited === 0)
      log.warn("enrollment.waiting_for_authority", { meaning: "a process that keeps the authority's keys has never started" });
    await pause(500);
  }
  throw enrollmentProblems.authority_silent("The database tells of no authority yet.", {
    fix: "Start the process that keeps the authority's keys first: one with the role api.",
  });
}
