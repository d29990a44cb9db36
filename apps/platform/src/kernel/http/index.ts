export { createDeviceHttp, type DeviceHttp, type TlsIdentity, tlsSocketOf } from "./device-http.ts";
export { liveEvents } from "./events.ts";
export { createHandshakes, type HandshakeLimits, type Handshakes, usualHandshakes } from "./handshakes.ts";
export {
  type Answered,
  type Asked,
  type Authenticate,
  createHttp,
  guarded,
  type Http,
  type HttpOptions,
  type Identity,
  serve,
} from "./http.ts";
export { answerProblem, httpProblems, problemDocumentOf, sendProblem } from "./problems.ts";
