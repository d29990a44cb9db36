/** Runs in a network namespace of a fault: takes connections on its side of the wire and carries them to the platform's side. */
import { connect, createServer } from "node:net";

const [host, port, targetHost, targetPort] = process.argv.slice(2);
process.on("disconnect", () => process.exit(0));
createServer((near) => {
  const far = connect(Number(targetPort), targetHost);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ]) {
    one.setNoDelay(true);
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
    one.pipe(other);
  }
}).listen(Number(port), host, () => process.send?.("listening"));
