import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { hours, minutes, seconds } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import { ddiClient } from "./client.ts";
import { fuzz } from "./fuzz.ts";
import { ddiPipeline } from "./pipeline.ts";
import { type DdiWorld, ddiWorld, feedback, type Hardware, until } from "./world.ts";

/** The wire rules of docs/protocol/ddi.md, clause by clause, against a running platform over mutual TLS. */
describe("hawkBit DDI", () => {
  let ddi: DdiWorld;
  before(async () => {
    ddi = await ddiWorld();
    for (const version of ["2.0.0", "3.0.0"]) await ddi.release(version);
  });
  after(() => ddi?.[Symbol.asyncDispose]());

  /** Polls until there is a link of this name; resolves to where it leads, as a path below the device's own. */
  const link = async (device: Hardware, name: string): Promise<string> => {
    let href = "";
    await until(async () => {
      href = (await device.poll()).json._links[name]?.href ?? "";
      assert.notEqual(href, "", `no ${name}`);
    });
    return href.slice(href.indexOf(`/${device.id}`) + device.id.length + 1);
  };
  const actionOf = (path: string): string => /\/(\d+)/.exec(path)?.[1] ?? "";
  /** As a client does: reads what to do, and fetches it. */
  const fetchUpdate = async (device: Hardware) => {
    const path = await link(device, "deploymentBase");
    const { json } = await device.ask(path);
    const [artifact] = json.deployment.chunks[0].artifacts;
    const { bytes } = await device.askUrl(artifact._links.download.href);
    return { path, action: actionOf(path), document: json, artifact, bytes };
  };
  const state = async (device: Hardware, rollout: string) => (await ddi.deployment(device.id, rollout)).state;

  test("[1] without a certificate, with another's id, or in another fleet nobody is let in, and tokens are not taken", async () => {
    const [a, b] = [await ddi.device("identity-a"), await ddi.device("identity-b")];
    const nobody = ddiClient(ddi.world, undefined, "/main/controller/v1/identity-a");
    assert.equal((await nobody.ask("")).status, 401);
    assert.equal(
      (await nobody.ask("", { headers: { Authorization: "TargetToken abc", "X-Controller-Id": "identity-a" } })).status,
      401,
    );
    assert.equal((await a.askUrl("/main/controller/v1/identity-b")).status, 403);
    assert.equal((await a.askUrl("/elsewhere/controller/v1/identity-a")).status, 404);
    assert.equal((await a.askUrl("/DEFAULT/controller/v1/identity-a")).status, 200);
    const rollout = await ddi.offer("2.0.0", b.id);
    const { action, artifact } = await fetchUpdate(b);
    const { json } = await b.askUrl(`/default/controller/v1/identity-b/deploymentBase/${action}`);
    assert.match(
      json.deployment.chunks[0].artifacts[0]._links["download-http"].href,
      /:\d+\/DEFAULT\/controller\/v1\/identity-b\//,
    );
    for (const path of [
      `/deploymentBase/${action}`,
      `/installedBase/${action}`,
      `/cancelAction/${action}`,
      `/softwaremodules/${action}/artifacts`,
    ])
      assert.equal((await a.ask(path)).status, 404, path);
    assert.equal((await a.ask(`/softwaremodules/${action}/artifacts/${artifact.filename}`)).status, 404);
    assert.equal((await a.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "failure"))).status, 404);
    assert.equal(await state(b, rollout), "downloading");
  });

  test("[2, 3] answers are 200 with an exact length, uncompressed, small; 304 only for who asked", async () => {
    const device = await ddi.device("answers-with-a-name-that-is-as-long-as-the-platform-takes-it-000");
    await ddi.offer("2.0.0", device.id);
    await link(device, "deploymentBase");
    const poll = await device.ask("", { headers: { "Accept-Encoding": "gzip, br" } });
    assert.deepEqual(
      [poll.status, poll.headers["content-encoding"], poll.headers["transfer-encoding"]],
      [200, undefined, undefined],
    );
    assert.equal(Number(poll.headers["content-length"]), poll.bytes.length);
    assert.ok(poll.bytes.length < 1_024);
    assert.match(poll.json.config.polling.sleep, /^\d\d:\d\d:\d\d$/);
    assert.equal((await device.ask("", { headers: { "If-None-Match": String(poll.headers.etag) } })).status, 304);
    assert.ok(Object.keys(poll.json._links).length <= 2);
    const answered = await device.tell({ firmware_version: "1.0.0" });
    assert.deepEqual([answered.status, answered.bytes.toString()], [200, "{}"]);
  });

  test("[4] the deployment document has what each client reads: one chunk, one artifact, both links, three hashes, an integer size, a string id", async () => {
    const device = await ddi.device("documents");
    await ddi.offer("2.0.0", device.id);
    const { document, artifact, action, bytes } = await fetchUpdate(device);
    const [chunk] = document.deployment.chunks;
    assert.deepEqual([document.id, document.deployment.download, document.deployment.update], [action, "forced", "forced"]);
    assert.deepEqual(
      [document.deployment.chunks.length, chunk.artifacts.length, chunk.part, chunk.version, chunk.name],
      [1, 1, "bApp", "2.0.0", "gate"],
    );
    assert.ok(Number(action) >= 1_000_001 && Number(action) < 2 ** 31 && !/^\d0+$/.test(action));
    assert.ok(artifact.filename.endsWith(".swu"));
    const hashes = Object.fromEntries(
      ["sha1", "md5", "sha256"].map((name) => [name, createHash(name).update(bytes).digest("hex")]),
    );
    assert.deepEqual([artifact.hashes, artifact.size], [hashes, bytes.length]);
    const { download, "download-http": http, md5sum } = artifact._links;
    assert.equal(download.href, http.href);
    assert.match(download.href, /^https:\/\/localhost:\d+\/main\/controller\/v1\/documents\//);
    assert.ok(download.href.length < 300);
    assert.equal((await device.askUrl(md5sum.href)).bytes.toString(), `${hashes.md5}  ${artifact.filename}`);
    const history = await device.ask(`/deploymentBase/${action}?actionHistory=-1`);
    assert.deepEqual(history.json.actionHistory, { status: "RUNNING", messages: [] });
  });

  test("[9] outside of its rollout's window a device is shown nothing, and never told to skip", async () => {
    const device = await ddi.device("windowed");
    const clockTime = (inMs: number) => new Date(ddi.world.now() + inMs).toISOString().slice(11, 16);
    const window = { from: clockTime(hours(6)), to: clockTime(hours(7)), zone: "UTC" };
    const rollout = await ddi.start("2.0.0", device.id, { windows: [window] });
    const blocked = async () => (await ddi.world.client.call(api.getRollout, { params: { id: rollout } })).blocked?.code;
    await until(async () => assert.equal(await blocked(), "outside_window"));
    assert.deepEqual(Object.keys((await device.poll()).json._links), []);
    ddi.world.pass(hours(6.5));
    await link(device, "deploymentBase");
  });

  test("[4.8, 4.9] ahead of its window a client that waits downloads, and installs inside it; one that does not is shown nothing before", async () => {
    const boot = (id: string) => ({ firmware_version: "1.0.0", boot_id: id });
    const waiting = await ddi.device("ahead-waits", { ...boot("one"), download_ahead: "true" });
    const [rauc, swupdate] = [await ddi.device("ahead-rauc", boot("r")), await ddi.device("ahead-swupdate", boot("s"))];
    const clockTime = (inMs: number) => new Date(ddi.world.now() + inMs).toISOString().slice(11, 16);
    const windows = [{ from: clockTime(hours(6)), to: clockTime(hours(7)), zone: "UTC" }];
    const ahead = { windows, download: "ahead", conditions: { batteryAtLeast: 0.5, unknown: "go" } };
    const rollouts = [];
    for (const { id } of [waiting, rauc, swupdate]) rollouts.push(await ddi.offer("2.0.0", id, ahead));
    const [ofWaiting = "", ofRauc = "", ofSwupdate = ""] = rollouts;
    const first = (await waiting.poll()).json._links.deploymentBase.href;
    const { path, action, document } = await fetchUpdate(waiting);
    const told = ({ download, update, maintenanceWindow }: Record<string, string>) => [download, update, maintenanceWindow];
    assert.deepEqual(told(document.deployment), ["forced", "skip", "unavailable"]);
    assert.equal(await state(waiting, ofWaiting), "downloading");
    await waiting.ask(`/deploymentBase/${action}/feedback`, feedback("downloaded", "success"));
    assert.equal(await state(waiting, ofWaiting), "downloaded");
    const why = await ddi.world.client.call(api.getUpdateStatus, { params: { id: waiting.id }, query: {} });
    assert.deepEqual(
      [why.code, why.rollouts.find(({ rollout }) => rollout === ofWaiting)?.code],
      ["awaits_window", "awaits_window"],
    );
    assert.match(why.because, /has 2\.0\.0 ready\. Its window .* is closed/);
    // The updater is known by its name, and tells of a checked file in a sentence; whoever is not known is shown nothing.
    const agent = { headers: { "User-Agent": "rauc-hawkbit-c-agent/1.0" } };
    const { href } = (await rauc.ask("", agent)).json._links.deploymentBase;
    const raucPath = href.slice(href.indexOf("/deploymentBase"));
    assert.equal((await rauc.ask(raucPath)).status, 404, "without its name");
    const { json } = await rauc.ask(raucPath, agent);
    assert.equal(await state(rauc, ofRauc), "offered", "one that streams does not download ahead");
    await rauc.askUrl(json.deployment.chunks[0].artifacts[0]._links.download.href, agent);
    await rauc.ask(`/deploymentBase/${json.id}/feedback`, feedback("proceeding", "none", ["File checksum OK."]));
    assert.equal(await state(rauc, ofRauc), "downloaded");
    assert.deepEqual(Object.keys((await swupdate.poll()).json._links), []);
    // Whoever only has it ready is told to stop when the rollout halts, and has installed nothing.
    await ddi.halt(ofRauc);
    await until(async () => assert.ok((await rauc.ask("", agent)).json._links.cancelAction));
    await rauc.ask(`/cancelAction/${json.id}/feedback`, { ...feedback("closed", "success"), ...agent });
    assert.deepEqual([await state(rauc, ofRauc), (await ddi.deployment(rauc.id, ofRauc)).reason], ["cancelled", "rollout_halted"]);
    // It was switched off and on while it waited, which is no way back.
    await waiting.tell({ firmware_version: "1.0.0", boot_id: "while it waited" });
    ddi.world.pass(hours(6.25));
    await until(async () => assert.deepEqual(told((await waiting.ask(path)).json.deployment), ["forced", "forced", "available"]));
    assert.notEqual((await waiting.poll()).json._links.deploymentBase.href, first, "the link means something else now");
    await link(swupdate, "deploymentBase");
    await waiting.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    assert.equal(await state(waiting, ofWaiting), "rebooting");
    ddi.world.pass(10);
    await waiting.tell({ firmware_version: "2.0.0", boot_id: "two" });
    assert.equal(await state(waiting, ofWaiting), "succeeded");
    const { steps } = await ddi.deployment(waiting.id, ofWaiting);
    assert.deepEqual(
      steps.map(({ step }) => step),
      ["download", "window", "install", "boot"],
    );
    // Its window closed before it had read anything.
    ddi.world.pass(hours(1));
    assert.deepEqual(Object.keys((await swupdate.poll()).json._links), []);
    assert.equal(await state(swupdate, ofSwupdate), "offered");
  });

  test("[4.5] bytes come whole or in parts, always with their length", async () => {
    const device = await ddi.device("ranges");
    await ddi.offer("2.0.0", device.id);
    const { artifact, bytes } = await fetchUpdate(device);
    const part = (range: string, headers: Record<string, string> = {}) =>
      device.askUrl(artifact._links.download.href, { headers: { Range: range, ...headers } });
    for (const [range, from, to] of [
      ["bytes=0-3", 0, 4],
      ["bytes=4-", 4, bytes.length],
      ["bytes=-5", bytes.length - 5, bytes.length],
    ] as const) {
      const { status, headers, bytes: got } = await part(range);
      assert.deepEqual(
        [status, Number(headers["content-length"]), got.equals(bytes.subarray(from, to))],
        [206, to - from, true],
        range,
      );
    }
    assert.equal((await part(`bytes=${bytes.length}-`)).status, 416);
    const changed = await part("bytes=0-3", { "If-Range": '"another"' });
    assert.deepEqual([changed.status, changed.bytes.length], [200, bytes.length]);
  });

  test("[5, 8] an installer's success is no success; the version that is told afterwards decides", async () => {
    const device = await ddi.device("verified");
    const rollout = await ddi.offer("2.0.0", device.id);
    const { path, action } = await fetchUpdate(device);
    await device.ask(`/deploymentBase/${action}/feedback`, feedback("proceeding", "none", ["Installing"]));
    assert.equal((await device.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"))).status, 200);
    assert.equal(await state(device, rollout), "rebooting");
    const { json } = await device.poll();
    assert.deepEqual(Object.keys(json._links), ["configData"]);
    assert.equal((await device.ask(path)).status, 404);
    // It was asked before it rebooted, as rauc-hawkbit-updater is: nothing is decided.
    await device.tell({ firmware_version: "1.0.0" });
    assert.equal(await state(device, rollout), "rebooting");
    assert.equal((await device.poll()).json._links.configData, undefined);
    ddi.world.pass(minutes(1));
    await link(device, "configData");
    await device.tell({ firmware_version: "2.0.0" });
    assert.equal(await state(device, rollout), "succeeded");
    assert.equal(actionOf(await link(device, "installedBase")), action);
    assert.equal((await device.ask(`/installedBase/${action}`)).json.deployment.chunks[0].version, "2.0.0");
    assert.equal((await device.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"))).status, 200);
    assert.equal((await device.ask(`/deploymentBase/${action}/feedback`, feedback("proceeding", "none"))).status, 410);
  });

  test("[8.3] another boot with the old version is a fall-back, whatever the installer said", async () => {
    const device = await ddi.device("fell-back", { firmware_version: "1.0.0", boot_id: "one" });
    const rollout = await ddi.offer("2.0.0", device.id);
    const { action } = await fetchUpdate(device);
    await device.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    ddi.world.pass(10);
    await device.tell({ firmware_version: "1.0.0", boot_id: "two" });
    assert.equal(await state(device, rollout), "rolled_back");
  });

  test("[8.2] silence after the success report is a failure at the deadline, and what still lies there is cancelled", async () => {
    const [installed, fetched] = [await ddi.device("silent-installed"), await ddi.device("silent-fetched")];
    const rollouts = [await ddi.offer("2.0.0", installed.id), await ddi.offer("2.0.0", fetched.id)] as const;
    const { action } = await fetchUpdate(installed);
    await fetchUpdate(fetched);
    await installed.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    ddi.world.pass(minutes(61));
    for (const [device, rollout] of [
      [installed, rollouts[0]],
      [fetched, rollouts[1]],
    ] as const)
      await until(async () => assert.equal(await state(device, rollout), "unresponsive"));
    assert.equal((await ddi.deployment(installed.id, rollouts[0])).reason, "silent_after_reboot");
    const cancel = await link(fetched, "cancelAction");
    assert.equal((await fetched.ask(`${cancel}/feedback`, feedback("closed", "success"))).status, 200);
    assert.equal((await fetched.poll()).json._links.cancelAction, undefined);
  });

  test("[8.5] a device whose version nobody knows is asked, then left out: it could never be verified", async () => {
    const device = await ddi.device("mute", {});
    const rollout = await ddi.offer("2.0.0", device.id);
    assert.deepEqual(Object.keys((await device.poll()).json._links), ["configData"]);
    ddi.world.pass(seconds(61));
    assert.equal((await device.poll()).status, 200);
    const { state: ended, detail } = await ddi.deployment(device.id, rollout);
    assert.equal(ended, "skipped");
    assert.match(detail ?? "", /firmware_version/);
  });

  test("[6] a halted rollout is cancelled on the device; each answer leads to an end", async () => {
    for (const [name, execution, finished, ended] of [
      ["cancel-closed", "closed", "success", "cancelled"],
      ["cancel-canceled", "canceled", "none", "cancelled"],
    ] as const) {
      const device = await ddi.device(name);
      const rollout = await ddi.offer("2.0.0", device.id);
      const { path, action, artifact } = await fetchUpdate(device);
      await ddi.halt(rollout);
      const cancel = await link(device, "cancelAction");
      assert.equal((await device.poll()).json._links.deploymentBase, undefined);
      assert.deepEqual((await device.ask(cancel)).json, { id: action, cancelAction: { stopId: action } });
      assert.equal((await device.ask(path)).status, 404);
      assert.equal((await device.askUrl(artifact._links.download.href)).status, 404);
      assert.equal((await device.ask(`${cancel}/feedback`, feedback(execution, finished))).status, 200);
      assert.equal(await state(device, rollout), ended);
      assert.equal((await device.poll()).json._links.cancelAction, undefined);
    }
  });

  test("[6] a device that cannot stop any more goes on, and is judged by what it runs; one that had not begun never hears of it", async () => {
    const [late, fresh] = [await ddi.device("cancel-late"), await ddi.device("cancel-fresh")];
    const rollouts = [await ddi.offer("2.0.0", late.id), await ddi.offer("2.0.0", fresh.id)] as const;
    const { action } = await fetchUpdate(late);
    await link(fresh, "deploymentBase");
    for (const rollout of rollouts) await ddi.halt(rollout);
    const cancel = await link(late, "cancelAction");
    assert.equal((await late.ask(`${cancel}/feedback`, feedback("rejected", "none"))).status, 200);
    await link(late, "deploymentBase");
    await late.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    ddi.world.pass(10);
    await late.tell({ firmware_version: "2.0.0" });
    assert.equal(await state(late, rollouts[0]), "succeeded");
    assert.equal((await fresh.poll()).json._links.cancelAction, undefined);
    assert.equal(await state(fresh, rollouts[1]), "cancelled");
  });

  test("[5] every pair of execution and result has its meaning", async () => {
    const meanings = [
      ["closed", "failure", "failed"],
      ["proceeding", "failure", "downloading"],
      ["scheduled", "none", "downloading"],
      ["resumed", "success", "downloading"],
      ["download", "none", "downloading"],
      ["downloaded", "success", "downloaded"],
      ["rejected", "failure", "downloading"],
      ["canceled", "success", "cancelled"],
      ["closed", "none", "rebooting"],
    ] as const;
    for (const [i, [execution, finished, expected]] of meanings.entries()) {
      const device = await ddi.device(`meaning-${i}`);
      const rollout = await ddi.offer("2.0.0", device.id);
      const { action } = await fetchUpdate(device);
      assert.equal(
        (await device.ask(`/deploymentBase/${action}/feedback`, feedback(execution, finished, [`said ${i}`]))).status,
        200,
      );
      assert.equal(await state(device, rollout), expected, `${execution}/${finished}`);
      assert.deepEqual((await ddi.deployment(device.id, rollout)).log, [`said ${i}`]);
    }
  });

  test("[5.2, 5.3, 5.6] sloppy clients are understood: ids and times of any form, unescaped quotes, a skipped update", async () => {
    const device = await ddi.device("sloppy");
    const rollout = await ddi.offer("2.0.0", device.id);
    const { action } = await fetchUpdate(device);
    const post = (body: unknown) => device.ask(`/deploymentBase/${action}/feedback`, { method: "POST", body });
    assert.equal(
      (
        await post({
          id: 7,
          time: 12,
          extra: [1],
          status: { execution: "proceeding", result: { finished: "none" }, details: null },
        })
      ).status,
      200,
    );
    assert.equal(
      (await post({ status: { execution: "closed", result: { finished: "success" }, details: ["Skipped Update."] } })).status,
      200,
    );
    assert.equal(await state(device, rollout), "downloading");
    for (const body of ["", "{", "null", '{"status":{}}', '{"status":{"execution":"exploded","result":{"finished":"none"}}}'])
      assert.equal((await post(body)).status, 400, body);
    const unescaped =
      '{ "id": 1, "time": "x", "status": { "result": { "progress": { "cnt" : 1, "of" : 2 }, "finished": "failure" }, "execution": "closed", "details" : [ "ERROR : no "such" file" ] } }';
    assert.equal((await post(unescaped)).status, 200);
    assert.equal(await state(device, rollout), "failed");
  });

  test("[7] attributes are merged, replaced and removed, bounded, and change no tag", async () => {
    const device = await ddi.device("attributes");
    const put = (body: unknown, method = "PUT") => device.ask("/configData", { method, body });
    assert.equal((await put({ mode: "replace", data: { a: "1", b: 2, c: true } }, "POST")).status, 200);
    assert.equal((await put({ mode: "remove", data: { a: "" } })).status, 200);
    assert.equal((await put({ data: { d: "4", nothing: null } })).status, 200);
    const reported = async () =>
      JSON.parse(
        await (
          await fetch(new URL(`/api/v1/devices/${device.id}`, ddi.world.url), {
            headers: { Authorization: `Bearer ${ddi.world.token}` },
          })
        ).text(),
      );
    const { tags } = await reported();
    assert.deepEqual(tags, {});
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, "v"]));
    assert.equal((await put({ mode: "merge", data: many })).status, 429);
    assert.equal((await put("[]")).status, 400);
  });

  test("2,000 mutated requests: never a 5xx, never an install", async () => {
    const device = await ddi.device("fuzzed");
    const rollout = await ddi.offer("3.0.0", device.id);
    const { action, artifact } = await fetchUpdate(device);
    const found = await fuzz(ddiPipeline(ddi.world, device.credentials), {
      action,
      filename: artifact.filename,
      requests: Number(process.env.TENFOLD_TEST_DDI_REQUESTS ?? 2_000),
    });
    assert.deepEqual(found.broken, []);
    assert.notEqual(await state(device, rollout), "succeeded");
  });
});
