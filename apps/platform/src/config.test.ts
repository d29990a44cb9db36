import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "./config.ts";

test("without any setting the ports and folders are the documented ones", () => {
  const config = readConfig({ env: { PATH: "/bin" } });
  assert.deepEqual(
    [config["http.port"], config["device.https.port"], config["mqtt.port"], config.data, config["http.host"]],
    [8080, 8443, 8883, "./data", "127.0.0.1"],
  );
});

test("a flag wins over the environment, and the environment over the file", () => {
  const file = { path: "tenfold.yaml", text: "http:\n  port: 1\nmqtt:\n  port: 2\ndata: /from/file\n" };
  const config = readConfig({ env: { TENFOLD_HTTP_PORT: "10", TENFOLD_DATA: "/from/env" }, file, flags: { data: "/from/flag" } });
  assert.deepEqual([config["http.port"], config["mqtt.port"], config.data], [10, 2, "/from/flag"]);
});

test("an unknown key is refused with its file and line, and the nearest right name", () => {
  const file = { path: "tenfold.yaml", text: "data: x\nhttp:\n  prot: 1\n" };
  assert.throws(
    () => readConfig({ env: {}, file }),
    (error: Error & { fix?: string }) => error.message.includes("tenfold.yaml:3") && (error.fix ?? "").includes('"http.port"'),
  );
  assert.throws(() => readConfig({ env: { TENFOLD_HTPP_PORT: "1" } }), { code: "config_invalid", message: /TENFOLD_HTPP_PORT/ });
});

test("an unreadable value names the setting and the place", () => {
  const file = { path: "tenfold.yaml", text: "rollout:\n  tick: soon\n" };
  assert.throws(() => readConfig({ env: {}, file }), { message: /tenfold\.yaml:2 \(rollout\.tick\): "soon" is not a duration/ });
  assert.throws(() => readConfig({ env: { TENFOLD_MQTT_PORT: "99999" } }), { message: /TENFOLD_MQTT_PORT/ });
});

test("a file that is not YAML is refused with its line", () => {
  assert.throws(() => readConfig({ env: {}, file: { path: "a.yaml", text: "data: [1\nx: 2" } }), { message: /a\.yaml:\d/ });
});

test("lists come from YAML as lists and from the environment with commas", () => {
  const file = { path: "t.yaml", text: "device:\n  hostnames: [a.example, b.example]\n" };
  assert.deepEqual(readConfig({ env: {}, file })["device.hostnames"], ["a.example", "b.example"]);
  assert.deepEqual(readConfig({ env: { TENFOLD_DEVICE_HOSTNAMES: "a, b" } })["device.hostnames"], ["a", "b"]);
});
