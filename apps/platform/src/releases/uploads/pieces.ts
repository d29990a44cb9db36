/** How much is stored, and acknowledged, at a time: what a server that dies can lose of an upload, and what one upload takes of memory. */
export const pieceBytes = 8 * 1024 * 1024;

/**
 * Cuts a stream into pieces of exactly `size` bytes; the last one is shorter. When the stream breaks off, what had come by then is the
 * last piece, and only then does the failure go on to the caller: a weak network must get there by and by.
 */
export async function* piecesOf(source: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  const take = () => {
    const piece = Buffer.concat(held);
    [held, bytes] = [[], 0];
    return piece;
  };
  try {
    for await (const chunk of source) {
      let rest = chunk;
      while (bytes + rest.length >= size) {
        held.push(rest.subarray(0, size - bytes));
        rest = rest.subarray(size - bytes);
        yield take();
      }
      if (rest.length > 0) {
        held.push(rest);
        bytes += rest.length;
      }
    }
  } catch (error) {
    if (bytes > 0) yield take();
    throw error;
  }
  if (bytes > 0) yield take();
}
