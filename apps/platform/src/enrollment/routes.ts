import { type Certificate as ApiCertificate, api } from "@tenfold/contracts";
import { type Clock, type Database, type Http, serve } from "../kernel/index.ts";
import { listCertificates, type StoredCertificate } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { enrollmentProblems } from "./errors.ts";
import { shownState } from "./lifecycle.ts";
import { listKeys, listManifests } from "./manifest-store.shell.ts";
import type { Manifests } from "./manifests.shell.ts";
import type { Operating } from "./operate.shell.ts";
import type { Revocations } from "./revoke.shell.ts";
import type { Rotations } from "./rotation.shell.ts";
import { readSealedLog, sealLog } from "./sealed-log.shell.ts";
import { listAnchors, listAttempts, listPending } from "./store.ts";
import { listTransfers } from "./transfer-store.shell.ts";
import type { Transfers } from "./transfers.shell.ts";
import { readTrust } from "./trust-evidence.shell.ts";

export type RouteDeps = {
  db: Database;
  clock: Clock;
  registry: Pick<EnrollmentDeps["registry"], "find">;
  operating: Operating;
  manifests: Manifests;
  transfers: Transfers;
  revocations: Revocations;
  rotations: Rotations;
};

export function routes(app: Http, deps: RouteDeps): void {
  serveAnchors(app, deps);
  serveManifests(app, deps);
  serveTransfers(app, deps);
  serveApprovals(app, deps);
  serveCertificates(app, deps);
  serveRotations(app, deps);
  serve(app, api.getDeviceTrust, async ({ scope, params }) => {
    const known = await deps.registry.find(params.id);
    if (known?.scope.fleet !== scope.fleet) throw enrollmentProblems.device_unknown(`There is no device "${params.id}".`);
    return readTrust(deps.db, scope, params.id);
  });
}

function serveRotations(app: Http, { rotations }: RouteDeps): void {
  serve(app, api.startRotation, async ({ body, actor }) => rotations.rotate({ ...body, actor }));
  serve(app, api.listRotations, async () => ({ items: await rotations.list() }));
  serve(app, api.holdRotation, async ({ params, body, actor }) => rotations.hold({ id: params.id, because: body.reason, actor }));
  serve(app, api.resumeRotation, async ({ params, body, actor }) =>
    rotations.resume({ id: params.id, because: body.reason, actor }),
  );
  serve(app, api.abortRotation, async ({ params, body, actor }) => rotations.abort({ id: params.id, because: body.reason, actor }));
}

function serveAnchors(app: Http, { db, operating, manifests }: RouteDeps): void {
  serve(app, api.listTrustAnchors, async ({ scope }) => {
    const [anchors, keys] = [await listAnchors(db, scope), await listKeys(db, scope)];
    return { items: anchors.map((anchor) => ({ ...anchor, manifestKeys: keys.get(anchor.id) ?? [] })) };
  });
  serve(app, api.createTrustAnchor, async ({ scope, body, actor }) => operating.trust(scope, { ...body, actor }));
  serve(app, api.changeTrustAnchor, async ({ scope, params, body, actor }) =>
    operating.changeTrust(scope, { ...body, id: params.id, actor }),
  );
  serve(app, api.deleteTrustAnchor, async ({ scope, params, actor }) => {
    await operating.distrust(scope, { id: params.id, actor });
    return { deleted: true as const };
  });
  serve(app, api.addManifestKey, async ({ scope, params, body, actor }) =>
    manifests.addManifestKey(scope, { ...body, anchor: params.id, actor }),
  );
  serve(app, api.deleteManifestKey, async ({ scope, params, actor }) => {
    await manifests.removeManifestKey(scope, { anchor: params.id, id: params.key, actor });
    return { deleted: true as const };
  });
  serve(app, api.createEnrollmentCode, async ({ scope, body, actor }) => operating.makeCode(scope, { ...body, actor }));
}

function serveManifests(app: Http, { db, manifests }: RouteDeps): void {
  serve(app, api.importManifest, async ({ scope, body, actor }) => manifests.announce(scope, { entries: body.entries, actor }));
  serve(app, api.importSignedManifest, async ({ scope, body, actor }) => manifests.announceSigned(scope, { ...body, actor }));
  serve(app, api.listManifests, async ({ scope, query: { limit, cursor } }) =>
    pageOf(await listManifests(db, scope, { limit: limit + 1, ...(cursor ? { before: cursor } : {}) }), limit),
  );
}

function serveTransfers(app: Http, { db, transfers }: RouteDeps): void {
  serve(app, api.transferDevice, async ({ scope, params, body, actor }) =>
    transfers.transferOut(scope, { ...body, device: params.id, actor }),
  );
  serve(app, api.receiveDevice, async ({ scope, body, actor }) => transfers.transferIn(scope, { ...body, actor }));
  serve(app, api.returnDevice, async ({ scope, params, body, actor }) =>
    transfers.returnDevice(scope, { ...body, device: params.id, actor }),
  );
  serve(app, api.replaceDevice, async ({ scope, params, body, actor }) =>
    transfers.replaceDevice(scope, { ...body, device: params.id, actor }),
  );
  serve(app, api.listTransfers, async ({ scope, query: { limit, cursor, device } }) =>
    pageOf(
      await listTransfers(db, scope, { limit: limit + 1, ...(cursor ? { before: cursor } : {}), ...(device ? { device } : {}) }),
      limit,
    ),
  );
  serve(app, api.getVoucher, async ({ scope, params }) => ({ voucher: await transfers.voucher(scope, params.id) }));
  serve(app, api.getTransferKey, async () => transfers.transferKey());
}

function serveApprovals(app: Http, { db, operating }: RouteDeps): void {
  serve(app, api.listEnrollmentAttempts, async ({ scope, query }) => {
    const { limit, cursor, serial, verdict, because } = query;
    const items = await listAttempts(db, scope, {
      limit: limit + 1,
      ...(cursor ? { before: cursor } : {}),
      ...(serial ? { serial } : {}),
      ...(verdict ? { verdict } : {}),
      ...(because ? { because } : {}),
    });
    return pageOf(items, limit);
  });
  serve(app, api.exportEnrollmentLog, async ({ scope, query }) => {
    await sealLog(db);
    return { items: await readSealedLog(db, scope, query) };
  });
  serve(app, api.listPendingEnrollments, async ({ scope }) => ({ items: await listPending(db, scope) }));
  serve(app, api.approveEnrollment, async ({ scope, params, actor }) =>
    operating.decide(scope, { id: params.id, state: "approved", actor }),
  );
  serve(app, api.rejectEnrollment, async ({ scope, params, body, actor }) =>
    operating.decide(scope, { id: params.id, state: "rejected", reason: body.reason, actor }),
  );
}

function serveCertificates(app: Http, { db, clock, revocations }: RouteDeps): void {
  serve(app, api.listCertificates, async ({ scope, query }) => {
    const { limit, cursor, device } = query;
    const found = await listCertificates(db, scope, {
      limit: limit + 1,
      ...(cursor ? { before: cursor } : {}),
      ...(device ? { device } : {}),
    });
    const { items, ...next } = pageOf(found, limit);
    return { ...next, items: items.map((one) => toApi(one, clock.now())) };
  });
  serve(app, api.revokeCertificates, async ({ scope, body: { serialNumbers, reason }, actor }) =>
    revocations.revokeMany(scope, { serialNumbers, because: reason, actor }),
  );
  serve(app, api.revokeCertificate, async ({ scope, params, body, actor }) =>
    toApi(await revocations.revoke(scope, { serialNumber: params.serialNumber, because: body.reason, actor }), clock.now()),
  );
}

/** One more was asked for than shown: it says whether there is a next page. */
function pageOf<Item extends { id: string }>(found: Item[], limit: number): { items: Item[]; nextCursor?: string } {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return found.length > limit && last !== undefined ? { items, nextCursor: last.id } : { items };
}

const toApi = (stored: StoredCertificate, now: number): ApiCertificate => ({
  serialNumber: stored.serialNumber,
  fingerprint: stored.fingerprint,
  device: stored.device,
  subject: stored.subject,
  notBefore: new Date(stored.notBefore).toISOString(),
  notAfter: new Date(stored.notAfter).toISOString(),
  state: shownState(stored, now),
  ...(stored.revokedAt === undefined ? {} : { revokedAt: new Date(stored.revokedAt).toISOString() }),
  ...(stored.revokedBecause === undefined ? {} : { revokedBecause: stored.revokedBecause }),
});
