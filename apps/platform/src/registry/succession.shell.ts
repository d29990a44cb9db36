import type { Scope } from "@tenfold/base";
import { sql } from "kysely";
import type { Transaction } from "../kernel/index.ts";

/** The new board takes over tags (the old device's win), model and static groups of the old one, which leaves its groups. */
export async function takeOver(
  tx: Transaction,
  scope: Scope,
  { from, to, now }: { from: string; to: string; now: number },
): Promise<void> {
  await sql`
    update registry.device as board set tags = board.tags || old.tags, model = coalesce(board.model, old.model), updated_at = ${new Date(now)}
    from registry.device old
    where board.fleet = ${scope.fleet} and board.id = ${to} and old.fleet = ${scope.fleet} and old.id = ${from}`.execute(tx);
  await sql`
    insert into registry.group_member (group_id, device)
    select m.group_id, ${to} from registry.group_member m join registry.device_group g on g.id = m.group_id
    where g.fleet = ${scope.fleet} and m.device = ${from}
    on conflict do nothing`.execute(tx);
  await sql`
    delete from registry.group_member m using registry.device_group g
    where g.id = m.group_id and g.fleet = ${scope.fleet} and m.device = ${from}`.execute(tx);
}
