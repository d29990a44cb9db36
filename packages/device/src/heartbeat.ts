import { heartbeatOf, topics } from "./messages.ts";
import { failure, type Mind } from "./mind.ts";

/** Heartbeat numbers that are reserved by one save, so that a heartbeat costs no write to flash. */
const seqBlock = 64;

/** Says that the device lives and what it runs; also while an installation goes on. */
export async function heartbeat(mind: Mind): Promise<void> {
  const { session, body, link } = mind;
  const { config } = mind.picture();
  if (session.seq >= mind.memory.seqReserved) await mind.remember({ ...mind.memory, seqReserved: session.seq + seqBlock });
  const payload = JSON.stringify(heartbeatOf(mind.picture(), body.vitals()));
  session.seq += 1;
  session.heartbeatDueAt = body.clock.mono() + config.heartbeatMs;
  try {
    await link?.publish(topics(config.device).heartbeat, payload);
    session.heardThisBoot = true;
  } catch (error) {
    session.heartbeatDueAt = body.clock.mono() + Math.min(config.heartbeatMs, config.retryBaseMs);
    mind.note("heartbeat.failed", failure(error));
  }
}
