import { defineProblems } from "@tenfold/base";

/** `nats_not_durable`: the server would acknowledge before its disk has the message. `nats_durability_unknown`: nobody can say. */
export const natsProblems = defineProblems({
  nats_unreachable: 503,
  nats_refused: 500,
  nats_not_durable: 500,
  nats_durability_unknown: 500,
});
