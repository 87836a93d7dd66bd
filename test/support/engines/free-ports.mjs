import { once } from "node:events";
import { createServer } from "node:net";

/** So many TCP ports of 127.0.0.1 on which nothing listened just now. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => {
      server.listen(0, "127.0.0.1");
      return once(server, "listening");
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
