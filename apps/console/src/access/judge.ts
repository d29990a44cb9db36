import { may, type Permission, type Role, roles } from "@tenfold/contracts";
import { words } from "../format.ts";

/** Whether a person may, and if not, why not: the reason is shown beside what is disabled. */
export type Verdict = { allowed: true } | { allowed: false; because: string };

export function judge(role: Role | undefined, permission: Permission | "anyone"): Verdict {
  if (permission === "anyone") return { allowed: true };
  if (role === undefined) return { allowed: false, because: "You are not signed in." };
  if (may(role, permission)) return { allowed: true };
  const able = roles.filter((each) => may(each, permission)).map(words);
  return { allowed: false, because: `Your role is ${words(role)}. This needs ${able.join(" or ")}.` };
}
