/** What can be allowed. A role is a set of these; what no role names, nobody may do. */
export const permissions = [
  "devices.read",
  "devices.write",
  "devices.suspend",
  "commands.write",
  "enrollment.read",
  "enrollment.write",
  "releases.read",
  "releases.write",
  "rollouts.read",
  "rollouts.write",
  "rollouts.approve",
  "rollouts.govern",
  "telemetry.read",
  "retention.write",
  "alerts.read",
  "alerts.write",
  "kpis.read",
  "audit.read",
  "access.read",
  "access.write",
] as const;
export type Permission = (typeof permissions)[number];

export const roles = ["viewer", "operator", "release_manager", "security", "admin"] as const;
export type Role = (typeof roles)[number];

const viewing: Permission[] = ["devices.read", "releases.read", "rollouts.read", "telemetry.read", "alerts.read", "kpis.read"];

/** Who may do what, on one page. Shared by the server, which enforces it, and the console, which explains it. */
export const rolePermissions: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: viewing,
  operator: [...viewing, "enrollment.read", "devices.write", "commands.write", "alerts.write", "rollouts.write"],
  release_manager: [...viewing, "releases.write", "rollouts.write", "rollouts.approve", "rollouts.govern"],
  security: [
    ...viewing,
    "rollouts.approve",
    "retention.write",
    "enrollment.read",
    "enrollment.write",
    "devices.suspend",
    "audit.read",
    "access.read",
  ],
  admin: permissions,
};

export const may = (role: Role, permission: Permission): boolean => rolePermissions[role].includes(permission);
