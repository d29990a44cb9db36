/**
 * Runs one batch at a time for each key: what is asked for while a batch is under way forms the next one, so that many callers at once cost
 * a few transactions. Every caller gets its batch's answer, or its failure.
 */
export function gather<Key, Wish, Answer>(
  keyOf: (key: Key) => string,
  run: (key: Key, wishes: readonly Wish[]) => Promise<Answer>,
): (key: Key, wish: Wish) => Promise<Answer> {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, { wishes: Wish[]; answer: Promise<Answer> }>();
  return (key, wish) => {
    const name = keyOf(key);
    const waiting = next.get(name);
    if (waiting !== undefined) {
      waiting.wishes.push(wish);
      return waiting.answer;
    }
    const wishes = [wish];
    const answer = (running.get(name) ?? Promise.resolve()).then(() => {
      next.delete(name);
      return run(key, wishes);
    });
    next.set(name, { wishes, answer });
    const ended = answer
      .catch(() => {})
      .then(() => {
        if (running.get(name) === ended) running.delete(name);
      });
    running.set(name, ended);
    return answer;
  };
}
