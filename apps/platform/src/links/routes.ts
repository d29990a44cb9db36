import { api, type ToldLimit } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";

/** What an operator may ask of the endpoints. */
export function linksRoutes(http: Http, { limits }: { limits: readonly ToldLimit[] }): void {
  serve(http, api.listLimits, async () => ({ items: [...limits] }));
}
