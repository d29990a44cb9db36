/**
 * A second reporter of `npm test`. A test that is cut off at its time limit leaves open what it opened, its database for one, and the runner would wait
 * for it for ever. When every test is done and nothing has ended by itself for a while, it is said what is still open, the runner sums up, and the process
 * ends; whoever listens to its exit takes away what is left.
 */
type TestEvent = { type: string };

const graceMs = Number(process.env.TENFOLD_TEST_GRACE_MS ?? 15_000);
const flushMs = 2_000;

export default async function* endWhenDone(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let running = 0;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const end = () => {
    ended = true;
    console.error(`All tests are done, and these are still open: ${process.getActiveResourcesInfo().join(", ")}.`);
    // What the runner waits for, and what would come by itself if nothing were open.
    process.emit("beforeExit", 0);
    setTimeout(() => process.exit(), flushMs).unref();
  };
  for await (const { type } of events) {
    if (type === "test:enqueue") running += 1;
    if (type === "test:complete") running -= 1;
    clearTimeout(timer);
    if (running === 0 && !ended) timer = setTimeout(end, graceMs).unref();
  }
}
