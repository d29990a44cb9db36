import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { days } from "@tenfold/base";
import { openAuthority } from "./authority.shell.ts";

const now = Date.UTC(2026, 9, 1);

async function folderForTest() {
  const parent = await mkdtemp(join(tmpdir(), "tenfold-test-authority-"));
  return { folder: join(parent, "pki"), [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }) };
}

test("the first start makes root and issuing CA with keys that only their owner can read; the second reads the same", async () => {
  await using place = await folderForTest();
  const { folder } = place;
  const first = await openAuthority({ folder, hostnames: [], now });
  const tls = await first.serverTls(now);
  for (const name of ["root.key", "issuing.key", "server.key"])
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith(".tmp")),
    [],
  );
  assert.equal(await readFile(join(folder, "ca.pem"), "utf8"), first.trustedCaPem);
  const second = await openAuthority({ folder, hostnames: [], now: now + days(10) });
  assert.equal(second.root.fingerprint, first.root.fingerprint);
  assert.equal(second.issuing.certificate.fingerprint, first.issuing.certificate.fingerprint);
  assert.equal((await second.serverTls(now + days(10))).cert, tls.cert);
});

test("the server's certificate names every host, and is renewed at two thirds of its life or when a name is new", async () => {
  await using place = await folderForTest();
  const { folder } = place;
  const authority = await openAuthority({ folder, hostnames: ["fleet.example", "192.0.2.7", "2001:db8::1"], now });
  const first = new X509Certificate((await authority.serverTls(now)).cert);
  for (const name of ["localhost", "fleet.example"]) assert.ok(first.checkHost(name), name);
  for (const address of ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"]) assert.ok(first.checkIP(address), address);
  const serialAt = async (at: number, hostnames = ["fleet.example"]) =>
    new X509Certificate((await (await openAuthority({ folder, hostnames, now: at })).serverTls(at)).cert).serialNumber;
  assert.equal(await serialAt(now + days(59)), first.serialNumber);
  const renewed = await serialAt(now + days(61));
  assert.notEqual(renewed, first.serialNumber);
  assert.notEqual(await serialAt(now + days(61), ["other.example"]), renewed);
});

test("a first start that was interrupted is completed at the next", async () => {
  await using place = await folderForTest();
  const { folder } = place;
  await openAuthority({ folder, hostnames: [], now });
  const key = await readFile(join(folder, "root.key"), "utf8");
  for (const name of ["root.pem", "issuing.pem", "issuing.key"]) await rm(join(folder, name));
  const again = await openAuthority({ folder, hostnames: [], now });
  assert.equal(await readFile(join(folder, "root.key"), "utf8"), key);
  assert.ok((await again.serverTls(now)).cert.includes("BEGIN CERTIFICATE"));
});

test("the root's key may be taken off line once the issuing CA exists", async () => {
  await using place = await folderForTest();
  const { folder } = place;
  const first = await openAuthority({ folder, hostnames: [], now });
  await rm(join(folder, "root.key"));
  assert.equal((await openAuthority({ folder, hostnames: [], now })).root.fingerprint, first.root.fingerprint);
});

test("files that contradict each other, or a key that others can read, stop the start with the file's name and the fix", async () => {
  await using place = await folderForTest();
  const { folder } = place;
  await openAuthority({ folder, hostnames: [], now });
  const open = () => openAuthority({ folder, hostnames: [], now });
  await chmod(join(folder, "issuing.key"), 0o644);
  await assert.rejects(
    open(),
    (error: Error & { code?: string; fix?: string }) =>
      error.code === "key_file_unusable" &&
      error.message.includes("issuing.key") &&
      error.fix?.startsWith("Run: chmod 600") === true,
  );
  await chmod(join(folder, "issuing.key"), 0o600);
  const root = await readFile(join(folder, "root.pem"), "utf8");
  await rm(join(folder, "root.pem"));
  await assert.rejects(open(), { code: "authority_files_inconsistent" });
  await writeFile(join(folder, "root.pem"), "no certificate");
  await assert.rejects(open(), { code: "authority_files_inconsistent" });
  await writeFile(join(folder, "root.pem"), root);
  await writeFile(join(folder, "issuing.key"), await readFile(join(folder, "root.key")), { mode: 0o600 });
  await assert.rejects(open(), { code: "authority_files_inconsistent" });
  await rm(join(folder, "issuing.key"));
  await assert.rejects(open(), { code: "authority_files_inconsistent" });
});
