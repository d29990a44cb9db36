import assert from "node:assert/strict";
import { test } from "node:test";
import { readPkcs11Uri, tokenUri } from "./pkcs11/uri.ts";
import { readTpmUri, writeAddress } from "./tpm/address.ts";

test("a pkcs11: URI names token, object, library and where the PIN is, with percent signs undone", () => {
  const read = readPkcs11Uri("pkcs11:token=My%20token;object=dev%3B1?module-path=/lib/p.so&pin-source=file:/etc/pin");
  assert.deepEqual(read, {
    token: "My token",
    object: "dev;1",
    modulePath: "/lib/p.so",
    pin: { is: "file", path: "/etc/pin" },
  });
  assert.equal(tokenUri(read), "pkcs11:token=My%20token;object=dev%3B1");
  assert.deepEqual(readPkcs11Uri("pkcs11:token=t?pin-value=12").pin, { is: "value", value: "12" });
});

test("a pkcs11: URI that promises what is not compared, or says a thing twice, is refused", () => {
  for (const uri of [
    "pkcs11:",
    "pkcs11:object=x",
    "pkcs11:token=",
    "pkcs11:token=t;token=u",
    "pkcs11:token=t;serial=1",
    "pkcs11:token=t;type=public",
    "pkcs11:token=%zz",
    "pkcs11:token=t?pin-source=relative",
    "pkcs11:token=t?pin-source=file:/a&pin-value=1",
    "pkcs11:token=t?a?b",
    `pkcs11:token=${"t".repeat(1_000)}`,
  ])
    assert.throws(() => readPkcs11Uri(uri), { code: "key_uri_invalid" }, uri);
});

test("a tpm: URI names a handle, a file or the TPM itself, and which TPM", () => {
  assert.deepEqual(readTpmUri("tpm:"), { address: { is: "device", path: "/dev/tpmrm0" }, key: undefined });
  assert.deepEqual(readTpmUri("tpm:handle=0x81000010").key, { is: "handle", handle: 0x8100_0010 });
  const read = readTpmUri("tpm:file=/var/k.pem?swtpm=2321");
  assert.deepEqual(read, { address: { is: "socket", host: "127.0.0.1", port: 2_321 }, key: { is: "file", path: "/var/k.pem" } });
  assert.equal(writeAddress(read.address), "?swtpm=127.0.0.1:2321");
});

test("a tpm: URI with a handle that does not last, a strange address or anything else is refused", () => {
  for (const uri of [
    "tpm",
    "tpm:handle=0x80000000",
    "tpm:handle=81000001",
    "tpm:file=",
    "tpm:x=1",
    "tpm:?device=tpm0",
    "tpm:?swtpm=a:b",
    "tpm:?swtpm=99999",
  ])
    assert.throws(() => readTpmUri(uri), { code: "key_uri_invalid" }, uri);
});
