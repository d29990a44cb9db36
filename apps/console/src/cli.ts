/** The command line that does the same as a page or a button: the console has no powers of its own. */

const tenfold = (...words: string[]): string => ["npx tenfold", ...words].join(" ");

export const cli = {
  status: (): string => tenfold("status"),
  simulate: (devices: number): string => tenfold("sim start --devices", String(devices)),
  enrollCode: (serial: string): string => tenfold("enroll code", shellWord(serial)),
  devices: (filter: string): string => tenfold("device list", ...(filter === "" ? [] : [shellWord(filter)])),
  device: (id: string): string => tenfold("device show", shellWord(id)),
  runCommand: (id: string, name: string): string => tenfold("device run", shellWord(id), shellWord(name), "--reason '…' --wait"),
  cancelCommand: (id: string): string => tenfold("command cancel", shellWord(id), "--reason '…'"),
  setState: (id: string): string => tenfold("state set", shellWord(id), "name=value --reason '…'"),
  deviceLogs: (id: string): string => tenfold("device logs", shellWord(id)),
  changeDevice: (verb: "suspend" | "resume" | "quarantine" | "retire", id: string): string =>
    tenfold("device", verb, shellWord(id), "--reason '…'"),
  deviceTelemetry: (id: string, metric: string): string =>
    tenfold("api GET", shellWord(`/api/v1/devices/${encodeURIComponent(id)}/telemetry?metric=${encodeURIComponent(metric)}`)),
  rollouts: (): string => tenfold("rollout list"),
  rollout: (id: string): string => tenfold("rollout watch", shellWord(id)),
  whyDevice: (id: string): string => tenfold("device why", shellWord(id)),
  approveRollout: (id: string): string => tenfold("rollout approve", shellWord(id)),
  changeRollout: (verb: "pause" | "resume" | "rollback" | "cancel", id: string): string =>
    tenfold("rollout", verb, shellWord(id), "--reason '…'"),
  startRollout: (release: string, plan?: string): string =>
    tenfold("rollout start", shellWord(release === "" ? "RELEASE" : release), ...(plan === undefined ? [] : ["--plan", plan])),
  haltReport: (id: string): string => tenfold("rollout halt-report", shellWord(id)),
  rolloutCrashes: (id: string): string => tenfold("rollout crashes", shellWord(id)),
  releaseCrashes: (id: string): string => tenfold("rollout crashes", shellWord(id), "--release --reason '…'"),
  replayRollout: (id: string): string => tenfold("rollout replay", shellWord(id)),
  overrideFreeze: (id: string): string => tenfold("rollout override-freeze", shellWord(id), "--reason '…'"),
  deviceCrashes: (id: string): string => tenfold("device crashes", shellWord(id)),
  plans: (): string => tenfold("rollout plans"),
  savePlan: (name: string): string => tenfold("rollout save-plan", shellWord(name === "" ? "NAME" : name), "FILE.json"),
  deletePlan: (name: string): string => tenfold("rollout delete-plan", shellWord(name)),
  freezes: (): string => tenfold("rollout freezes"),
  freeze: (): string => tenfold("rollout freeze --from TIME --to TIME --reason '…'"),
  unfreeze: (id: string): string => tenfold("rollout unfreeze", shellWord(id)),
  pins: (): string => tenfold("rollout pins"),
  pin: (filter: string): string =>
    tenfold("rollout pin", shellWord(filter === "" ? "FILTER" : filter), "--to VERSION --reason '…'"),
  unpin: (id: string): string => tenfold("rollout unpin", shellWord(id)),
  policy: (): string => tenfold("rollout policy --at-once N --approvals N"),
  metadata: (): string => tenfold("tuf status"),
  setUpMetadata: (): string => tenfold("tuf init FOLDER"),
  promote: (id: string, channel: string): string => tenfold("release promote", shellWord(id), "--channel", channel),
  revokeSigningKey: (keyid: string): string => tenfold("release distrust", shellWord(keyid), "--reason '…'"),
  detach: (release: string, attachment: string): string => tenfold("release detach", shellWord(release), shellWord(attachment)),
  vouch: (): string => tenfold("release vouch builder.pub.pem --name BUILDER"),
  unvouch: (keyid: string): string => tenfold("release unvouch", shellWord(keyid), "--reason '…'"),
  trustKey: (): string => tenfold("release trust release-key.pub.pem --name NAME"),
  releases: (): string => tenfold("release list"),
  createRelease: (): string => tenfold("release create --help"),
  release: (id: string): string => tenfold("release show", shellWord(id)),
  releaseComponents: (id: string): string => tenfold("release sbom", shellWord(id)),
  changeRelease: (verb: "retire" | "reinstate", id: string): string => tenfold("release", verb, shellWord(id), "--reason '…'"),
  attach: (id: string): string => tenfold("release attach", shellWord(id), "--sbom FILE --provenance FILE"),
  trustPipeline: (): string => tenfold("account trust NAME --github OWNER/REPOSITORY --ref 'refs/tags/v*'"),
  alerts: (): string => tenfold("alert list"),
  enrollment: (): string => tenfold("enroll log"),
  revokeCertificate: (serialNumber: string): string => tenfold("identity revoke", shellWord(serialNumber), "--reason '…'"),
  returnDevice: (id: string): string => tenfold("device return", shellWord(id), "--reason '…'"),
  replaceDevice: (id: string): string => tenfold("device replace", shellWord(id), "NEW-SERIAL", "--reason '…'"),
  transferDevice: (id: string): string => tenfold("device transfer", shellWord(id), "--to 'NEW OWNER' --reason '…'"),
  kpis: (): string => tenfold("kpi show"),
  explainKpi: (name: string): string => tenfold("kpi explain", name),
  audit: (): string => tenfold("audit search"),
  session: (): string => tenfold("api GET /api/v1/session"),
  open: (): string => tenfold("open"),
};

/** Quotes a word for a POSIX shell where it needs it. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
