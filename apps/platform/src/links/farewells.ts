import type { Farewell } from "./link.ts";
import { reasons, type Violation } from "./mqtt/reasons.ts";

/** The reasons for which this side ends a connection, each with what an MQTT 5 device is told. */
export const farewells = {
  takenOver: {
    because: "taken_over",
    reason: reasons.sessionTakenOver,
    detail: "Another connection with this device's identity was opened.",
  },
  shuttingDown: {
    because: "shutting_down",
    reason: reasons.serverShuttingDown,
    detail: "The server shuts down; connect again after a random wait.",
  },
  keepAlive: {
    because: "keep_alive_timeout",
    reason: reasons.keepAliveTimeout,
    detail: "Nothing was heard for one and a half times the keep-alive.",
  },
  unanswered: {
    because: "unanswered",
    reason: reasons.keepAliveTimeout,
    detail: "What was sent to the device is not acknowledged, and nothing is heard of it.",
  },
  storeSilent: {
    because: "intake_silent",
    reason: reasons.serverBusy,
    detail: "Messages could not be stored in time; send them again.",
  },
  slowReader: { because: "slow_reader", reason: reasons.quotaExceeded, detail: "The device does not read what it is sent." },
  connectTimeout: { because: "connect_timeout", reason: reasons.unspecified, detail: "No CONNECT was answered in time." },
  lost: {
    because: "connection_lost",
    reason: reasons.unspecified,
    detail: "The connection broke or was closed without a DISCONNECT.",
  },
  left: { because: "device_left", reason: reasons.success, detail: "The device said good-bye." },
  broken: { because: "internal", reason: reasons.unspecified, detail: "Something failed inside Tenfold; its log says more." },
  unavailable: (detail: string): Farewell => ({ because: "intake_unavailable", reason: reasons.serverBusy, detail }),
  /** A person or the platform ended it: suspended, quarantined, retired, revoked. */
  barred: (because: string, detail: string): Farewell => ({ because, reason: reasons.administrativeAction, detail }),
  violation: ({ because, reason, detail }: Violation): Farewell => ({ because, reason, detail }),
} as const;

/** Ends after which the device's will stays unsaid: it left by itself, or it may no longer speak. */
export const silent = (farewell: Farewell): boolean =>
  farewell === farewells.left || farewell === farewells.shuttingDown || farewell.reason === reasons.administrativeAction;
