import { cli, shellWord } from "../cli.ts";

export type Step = { title: string; why: string; lines: string };

/** Where devices reach the platform: a host, and the ports of its two device endpoints. */
export type DeviceEndpoints = { host: string; https: number; mqtt: number };

/** Working lines for a device made of nothing but `openssl`, `curl` and `mosquitto_pub`. */
export function connectSteps(id: string, endpoints: DeviceEndpoints): Step[] {
  const { host } = endpoints;
  const https = `https://${host}:${endpoints.https}`;
  const word = shellWord(id);
  const tls = "--cacert ca.crt --cert device.crt --key device.key";
  const files = "--cafile ca.crt --cert device.crt --key device.key";
  return [
    {
      title: "1. Fetch the platform's certificate authority",
      why: "The one call that cannot check who answers: compare the fingerprint with what the platform printed at its start.",
      lines: `curl -sk ${https}/.well-known/est/cacerts | base64 -d | openssl pkcs7 -inform DER -print_certs -out ca.crt\nopenssl x509 -in ca.crt -noout -fingerprint -sha256`,
    },
    {
      title: "2. Make a key that never leaves the device, and a request",
      why: "The name in the request is the device's id; the platform takes identity from nowhere else.",
      lines: `openssl ecparam -name prime256v1 -genkey -noout -out device.key\nopenssl req -new -key device.key -subj ${shellWord(`/CN=${id}`)} -outform DER | base64 -w0 > device.csr`,
    },
    {
      title: "3. Enroll with a one-time code",
      why: `Ask for the code on the operator's machine: ${cli.enrollCode(id)}. It fits this serial number only, and only once.`,
      lines: `curl -s --cacert ca.crt -u ${shellWord(`${id}:CODE`)} -H 'Content-Type: application/pkcs10' -H 'Content-Transfer-Encoding: base64' \\\n  --data-binary @device.csr ${https}/.well-known/est/simpleenroll | base64 -d | openssl pkcs7 -inform DER -print_certs -out device.crt`,
    },
    {
      title: "4. Send a first point over HTTPS",
      why: "200 means that it is stored.",
      lines: `curl -s ${tls} -H 'Content-Type: application/json' -d '{"temperature":21.5}' ${https}/v1/telemetry`,
    },
    {
      title: "5. Or over MQTT",
      why: "QoS 1: the acknowledgement means that it is stored. MQTT 5 and 3.1.1 work alike.",
      lines: `mosquitto_pub -h ${host} -p ${endpoints.mqtt} ${files} -V 5 -i ${word} -q 1 \\\n  -t devices/${word}/telemetry -m '{"temperature":21.5}'`,
    },
    {
      title: "6. Say that you are alive",
      why: "leaseS is a promise to speak again within so many seconds; until then the device counts as online.",
      lines: `curl -s ${tls} -H 'Content-Type: application/json' ${https}/v1/heartbeat \\\n  -d '{"seq":1,"bootId":"first","uptimeS":10,"leaseS":90,"monoS":10,"clock":"none","firmware":{"version":"1.0.0"}}'`,
    },
  ];
}
