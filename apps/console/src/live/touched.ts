import type { api, LiveEvent, LiveEventType } from "@tenfold/contracts";

export type OperationName = keyof typeof api;

/** Answers about a whole fleet that an event may have changed. */
const fleetWide: Record<LiveEventType, readonly OperationName[]> = {
  "device.registered": ["listDevices", "summarizeDevices"],
  "device.lifecycle_changed": ["listDevices", "summarizeDevices", "listAudit"],
  "device.connected": ["listDevices", "summarizeDevices"],
  "device.disconnected": ["listDevices", "summarizeDevices"],
  "device.contact": ["listDevices", "summarizeDevices"],
  "device.firmware_changed": ["listDevices", "summarizeDevices", "listReleases"],
  "device.event": [],
  "device.input_refused": [],
  "certificate.issued": ["listCertificates"],
  "certificate.revoked": ["listCertificates"],
  "enrollment.attempted": ["listEnrollmentAttempts", "listPendingEnrollments"],
  "rollout.halted": ["listRollouts", "getRollout", "getRolloutReport", "getHaltReport"],
  "crash.received": ["listCrashes", "listCrashSignatures"],
  "rollout.changed": [
    "listRollouts",
    "getRollout",
    "getRolloutReport",
    "listDeployments",
    "listReleases",
    "getRelease",
    "listKpis",
    "getUpdateStatus",
    "listFreezes",
    "listUpdatePins",
    "getRolloutPolicy",
  ],
  "deployment.changed": ["listRollouts", "getRollout", "getRolloutReport", "listDeployments"],
  "command.changed": ["listCommands", "getCommandBatch"],
  "state.changed": [],
  "alert.changed": ["listAlerts"],
  "telemetry.stored": [],
};

/** Answers about one device, touched only when the event is about that device. */
const ofDevice: Partial<Record<LiveEventType, readonly OperationName[]>> = {
  "device.lifecycle_changed": ["getDevice", "getDeviceTimeline"],
  "device.connected": ["getDevice", "getDeviceTimeline"],
  "device.disconnected": ["getDevice", "getDeviceTimeline"],
  "device.contact": ["getDevice"],
  "device.firmware_changed": ["getDevice", "getDeviceTimeline"],
  "device.event": ["getDeviceTimeline"],
  "device.input_refused": ["getDevice", "getDeviceTimeline"],
  "deployment.changed": ["getDevice", "getDeviceTimeline", "listDeviceDeployments"],
  "command.changed": ["getDeviceTimeline"],
  "state.changed": ["getDeviceState", "listDesiredChanges"],
  "telemetry.stored": ["getDeviceTelemetry", "listDeviceMetrics", "getDeviceLogs"],
};

/** Answers that cost the server much: asked again less often. The list of devices comes back with every page that was scrolled to. */
export const isHeavy = (operation: OperationName): boolean => operation === "listDevices" || operation === "listKpis";

/** Which answers an event made stale: `device` where only those about that device. */
export type Touched = { operation: OperationName; device?: string };

export function touchedBy(event: Pick<LiveEvent, "type" | "subject" | "data">): Touched[] {
  const operations = ofDevice[event.type] ?? [];
  return [
    ...fleetWide[event.type].map((operation) => ({ operation })),
    ...devicesIn(event).flatMap((device) => operations.map((operation) => ({ operation, device }))),
  ];
}

/** The devices that an event is about: contacts come as one event for many. */
function devicesIn({ subject, data }: Pick<LiveEvent, "subject" | "data">): string[] {
  if (Array.isArray(data.devices)) {
    return data.devices.flatMap((each) =>
      typeof each === "object" && each !== null && "id" in each && typeof each.id === "string" ? [each.id] : [],
    );
  }
  return [typeof data.device === "string" ? data.device : subject];
}

/** Whether a query (its key is operation name and call) gave one of the stale answers. */
export function isTouched(queryKey: readonly unknown[], touched: readonly Touched[]): boolean {
  const [operation, call] = queryKey;
  const id = deviceIn(call);
  return touched.some((one) => one.operation === operation && (one.device === undefined || one.device === id));
}

function deviceIn(call: unknown): unknown {
  if (typeof call !== "object" || call === null || !("params" in call)) return undefined;
  const { params } = call;
  return typeof params === "object" && params !== null && "id" in params ? params.id : undefined;
}
