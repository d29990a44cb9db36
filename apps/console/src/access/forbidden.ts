import { Problem } from "@tenfold/base";

/** What a page says that this person may not see: the server would answer the same. */
export const forbidden = (because: string): Problem =>
  new Problem({ code: "not_allowed", status: 403 }, "You may not see this page.", {
    fix: `${because} An admin can give you another role.`,
  });
