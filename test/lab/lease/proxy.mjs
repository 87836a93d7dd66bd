// The network between holders and their engine, as bad as a scenario wants it: a TCP proxy, on 127.0.0.1 by default.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * - `partition()`: nothing arrives in either direction, and connections stay. `heal(delivers)` lets what was sent arrive
 *   late, as TCP does, or cuts these connections.
 * - `cut()`: connections are reset, and new ones refused, until `heal()`.
 * - `delay({ up, down })`: each time something arrives, `up` (to the engine) and `down` (answers) give the milliseconds
 *   that it takes; the order within a connection is kept, as TCP keeps it.
 */
export async function startProxy(enginePort, host = "127.0.0.1") {
  const links = new Set();
  let isPartitioned = false;
  let isCut = false;
  let delays = { up: () => 0, down: () => 0 };

  const server = createServer((near) => {
    if (isCut) return near.resetAndDestroy();
    const far = connect(enginePort, "127.0.0.1");
    const link = { near, far, held: [], end };
    links.add(link);
    function end() {
      links.delete(link);
      near.destroy();
      far.destroy();
    }
    for (const socket of [near, far]) {
      socket.setNoDelay();
      socket.on("error", end);
      socket.on("close", end);
    }
    forward(link, near, far, () => delays.up());
    forward(link, far, near, () => delays.down());
  });

  function forward(link, from, to, delayOf) {
    // When the last of this direction arrives: none overtakes another.
    let arrivesAt = 0;
    from.on("data", (bytes) => {
      const deliver = () => {
        if (isPartitioned) link.held.push(deliver);
        else if (!to.destroyed) to.write(bytes);
      };
      const ms = delayOf();
      const now = performance.now();
      arrivesAt = Math.max(arrivesAt, now + ms);
      if (arrivesAt - now < 1) deliver();
      else setTimeout(deliver, arrivesAt - now);
    });
  }

  server.listen(0, host);
  await once(server, "listening");
  const cutAll = () => {
    for (const link of links) {
      link.near.resetAndDestroy();
      link.end();
    }
  };
  return {
    port: server.address().port,
    partition: () => (isPartitioned = true),
    cut() {
      isCut = true;
      cutAll();
    },
    heal(delivers = true) {
      isCut = false;
      isPartitioned = false;
      for (const link of links) {
        const held = link.held.splice(0);
        if (delivers) for (const deliver of held) deliver();
        else if (held.length > 0) link.end();
      }
    },
    delay: ({ up = () => 0, down = () => 0 }) => (delays = { up, down }),
    async stop() {
      cutAll();
      server.close();
      await once(server, "close");
    },
  };
}
