export { type Nats, openNats } from "./connection.ts";
export { demandDurable } from "./durability.ts";
export { natsProblems } from "./problems.ts";
