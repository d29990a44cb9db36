import { newId, type Scope } from "@tenfold/base";
import type { Actor, Device, Group } from "@tenfold/contracts";
import { groupsNamedIn, parseFilter } from "@tenfold/query";
import type { Audit } from "../access/index.ts";
import type { Clock, Database } from "../kernel/index.ts";
import { deviceOf } from "./device.ts";
import { registryProblems, unknownDevice } from "./errors.ts";
import { deleteGroup, insertGroup, insertMembers, readGroupNames } from "./groups.shell.ts";
import { lockTags, readDevice, writeTags } from "./store.ts";
import { mergeTags, type TagChanges } from "./tags.ts";

export type ChangeDeps = { db: Database; clock: Clock; audit: Audit };

/** Sets and removes tags of a device, and says so in the audit trail. */
export async function tagDevice(
  { db, clock, audit }: ChangeDeps,
  scope: Scope,
  { id, changes, actor }: { id: string; changes: TagChanges; actor: Actor },
): Promise<Device> {
  const now = clock.now();
  return db.transaction().execute(async (tx) => {
    const tags = await lockTags(tx, scope, id);
    if (tags === undefined) throw unknownDevice(id);
    await writeTags(tx, scope, { id, tags: mergeTags(tags, changes), now });
    await audit(tx, scope, { actor, action: "device.tagged", subject: { kind: "device", id }, detail: { tags: changes } });
    const row = await readDevice(tx, scope, id);
    if (row === undefined) throw unknownDevice(id);
    return deviceOf(row, now);
  });
}

export type NewGroup = { name: string; filter?: string; devices?: readonly string[]; actor: Actor };

/** Makes a group. `check` throws when its filter cannot run. */
export async function createGroup(
  deps: ChangeDeps,
  scope: Scope,
  { group, check }: { group: NewGroup; check: (filter: string) => Promise<unknown> },
): Promise<Omit<Group, "members">> {
  const { name, filter, devices, actor } = group;
  if ((filter === undefined) === (devices === undefined)) {
    throw registryProblems.group_ambiguous(`Group "${name}" needs either a filter or a list of devices.`, {
      field: "filter",
      fix: "Send one of `filter` and `devices`.",
    });
  }
  if (filter !== undefined) {
    if (groupsNamedIn(parseFilter(filter)).includes(name))
      throw registryProblems.group_ambiguous(`Group "${name}" cannot be defined by itself.`, { field: "filter" });
    await check(filter);
  }
  const [id, now] = [newId("grp"), deps.clock.now()];
  await deps.db.transaction().execute(async (tx) => {
    if (!(await insertGroup(tx, scope, { id, name, now, ...(filter !== undefined && { filter }) }))) {
      throw registryProblems.group_exists(`There is a group "${name}" already.`, { field: "name" });
    }
    const unknown = devices === undefined ? [] : await insertMembers(tx, scope, { id, devices });
    if (unknown.length > 0) {
      const named = unknown.slice(0, 5).join(", ");
      throw registryProblems.group_member_unknown(
        `${unknown.length} of the devices are not registered: ${named}${unknown.length > 5 ? ", …" : ""}.`,
        { field: "devices" },
      );
    }
    await deps.audit(tx, scope, {
      actor,
      action: "group.created",
      subject: { kind: "group", id },
      detail: { name, filter: filter ?? null, devices: devices?.length ?? null },
    });
  });
  return { id, name, createdAt: new Date(now).toISOString(), ...(filter !== undefined && { filter }) };
}

/** Removes a group; its devices stay. Refused while another group's filter names it, because that group could then not be read. */
export async function removeGroup(
  { db, audit }: ChangeDeps,
  scope: Scope,
  { id, actor }: { id: string; actor: Actor },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const name = await deleteGroup(tx, scope, id);
    if (name === undefined)
      throw registryProblems.group_unknown(`There is no group "${id}".`, { fix: "See the groups with: tenfold group list" });
    const users = (await readGroupNames(tx, scope)).filter(
      (group) => group.filter !== null && groupsNamedIn(parseFilter(group.filter)).includes(name),
    );
    if (users.length > 0) {
      throw registryProblems.group_in_use(
        `Group "${name}" is part of the filter of: ${users.map((user) => user.name).join(", ")}.`,
        { fix: "Delete those groups first." },
      );
    }
    await audit(tx, scope, { actor, action: "group.deleted", subject: { kind: "group", id }, detail: { name } });
  });
}
