import { Duplex } from "node:stream";
import { connect } from "node:tls";

/** What Node's own client of TLS says first: one record with its ClientHello. */
export async function firstFlight(): Promise<Buffer> {
  const said = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      said.resolve(bytes);
      done();
    },
  });
  const client = connect({ socket: wire, servername: "localhost" }).on("error", () => {});
  const bytes = await said.promise;
  client.destroy();
  return bytes;
}
