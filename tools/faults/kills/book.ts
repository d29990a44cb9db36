import pg from "pg";

/** Times in ms; absent where the table has null. */
export type BookedDeployment = {
  id: string;
  rollout: string;
  device: string;
  rollback: boolean;
  attempt: number;
  retried: boolean;
  version: string;
  state: string;
  reason?: string;
  offeredAt?: number;
  deadlineAt?: number;
  endedAt?: number;
  returnedWith?: string;
  /** Its number over DDI. */
  action?: string;
};
export type BookedRollout = { id: string; phase: string; model: string; endedAt?: number };
export type BookedDecision = { rollout: string; decision: string; stage?: number };

/** What the platform's tables say in the end. */
export type Book = {
  rollouts: BookedRollout[];
  deployments: BookedDeployment[];
  decisions: BookedDecision[];
  /** Devices by model. */
  devices: { id: string; model: string }[];
};

const deployments = `
  select d.id, d.rollout, d.device, d.rollback, d.attempt, d.retried, d.version, d.state, d.reason, d.returned_with as "returnedWith", a.action::text as action,
    extract(epoch from d.offered_at) * 1000 as "offeredAt", extract(epoch from d.deadline_at) * 1000 as "deadlineAt", extract(epoch from d.ended_at) * 1000 as "endedAt"
  from rollouts.deployment d left join rollouts.ddi_action a on a.fleet = d.fleet and a.deployment = d.id order by d.id`;
const rollouts = `select id, phase, substr(plan->>'filter', 7) as model from rollouts.rollout order by id`;
const decisions = `select rollout, decision, stage from rollouts.decision order by at`;
const devices = `select id, model from registry.device where model is not null order by id`;

/** Reads the tables themselves: what an answer of the API left out would not be missed. */
export async function readBook(url: string): Promise<Book> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const rowsOf = async (question: string) => (await client.query(question)).rows.map(tidy);
    // The columns are named as the types have them.
    return {
      deployments: (await rowsOf(deployments)) as BookedDeployment[],
      rollouts: (await rowsOf(rollouts)) as BookedRollout[],
      decisions: (await rowsOf(decisions)) as BookedDecision[],
      devices: (await rowsOf(devices)) as Book["devices"],
    };
  } finally {
    await client.end();
  }
}

const tidy = (row: Record<string, unknown>): unknown =>
  Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, name.endsWith("At") ? Number(value) : value]),
  );
