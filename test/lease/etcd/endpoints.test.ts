/** Several members, some of them away, stopped, or none at all; TLS. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { request as askSecurely } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

import { beforeEach, expect, onTestFinished, test } from "vitest";

import { etcdLeases } from "../../../lib/lease/etcd.js";
import { pathOf } from "../../support/engines/ask-etcd.js";
import { engineStarter, etcd, onceForFile } from "../../support/engines/engines.js";
import { acquired, attempt, NEVER } from "../../support/engines/lease-attempts.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";
import { requirePosix } from "../../support/require.js";

beforeEach((context) => requirePosix(context, "Windows takes seconds to refuse a connection"));

const { makeCertificates } = (await engineStarter("certificates.mjs")) as {
  makeCertificates: (folder: string) => { readonly ca: string };
};

const engine = onceForFile(etcd, async (folder) => await etcd.startEngine({ folder }));
const cluster = onceForFile(etcd, async (folder) => await etcd.startCluster({ folder, tls: true }));

const freshKey = (): string => randomBytes(8).toString("hex");

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address where connections are accepted and nothing is said. */
async function silentEndpoint(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return await listening(server);
}

/** An address where nothing listens. */
async function closedEndpoint(): Promise<string> {
  const server = createServer();
  const endpoint = await listening(server);
  await once(server.close(), "close");
  return endpoint;
}

async function answering(listener: RequestListener): Promise<string> {
  const server = createHttpServer(listener);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return await listening(server);
}

const saying =
  (status: number, text: string): RequestListener =>
  (request, response) => {
    request.resume();
    response.writeHead(status).end(text);
  };

test("an endpoint that refuses, is silent or fails is passed over", async (context) => {
  const { port } = await engine(context);
  const good = `http://127.0.0.1:${port}`;
  const bad = [
    await closedEndpoint(),
    await silentEndpoint(),
    await answering(saying(503, "no healthy upstream")),
    await answering(saying(503, '{"error":"etcdserver: no leader","code":14}')),
    await answering(saying(404, "404 page not found")),
    await answering(saying(200, "<html>a portal</html>")),
    await answering((request) => request.socket.destroy()),
  ];
  for (const endpoint of bad) {
    const store = etcdLeases({ endpoints: [endpoint, good] });
    const grant = await acquired(store, { key: freshKey(), ttlMs: 1000 });
    expect(await store.renew(grant, 1000, NEVER)).toBe(true);
    await store.release(grant, NEVER);
  }
  const store = etcdLeases({ endpoints: [...bad, good] });
  await acquired(store, { key: freshKey(), ttlMs: 1000 });
});

test("the endpoint that answered last is asked first", async (context) => {
  const { port } = await engine(context);
  let asked = 0;
  const failing = await answering((request, response) => {
    asked++;
    request.resume();
    response.writeHead(503).end();
  });
  const store = etcdLeases({ endpoints: [failing, `http://127.0.0.1:${port}`] });
  const grant = await acquired(store, { key: freshKey() });
  for (let times = 0; times < 5; times++) await store.renew(grant, 60_000, NEVER);
  expect(asked).toBe(1);
});

test("endpoints that are all away may come back; that is said with each one's own reason", async () => {
  const [one, two] = [await closedEndpoint(), await answering(saying(503, "busy"))];
  const store = etcdLeases({ endpoints: [one, two] });
  const failed = await attempt(store, { key: "the-key" }).catch((error: unknown) => error);
  expect(failed).toMatchObject({
    name: "LeaseStoreError",
    code: "LEASE_STORE",
    store: "etcd",
    operation: "acquire",
    key: "the-key",
    retryable: true,
  });
  const { message } = failed as Error;
  expect(message).toContain(`${one}: connect ECONNREFUSED`);
  expect(message).toContain(`${two}: HTTP status 503: busy`);
});

test("a service that is not etcd's gateway is said to be none, and is not asked again", async () => {
  for (const listener of [
    saying(404, "404 page not found"),
    saying(200, "<html>a portal</html>"),
    saying(200, '{"name":"another service"}'),
    saying(400, "Client sent an HTTP request to an HTTPS server."),
    saying(302, ""),
  ]) {
    const store = etcdLeases({ endpoints: [await answering(listener)] });
    await expect(attempt(store)).rejects.toMatchObject({ code: "LEASE_STORE", retryable: false });
  }
});

test("an answer without an end is given up", async () => {
  const endless = await answering((request, response) => {
    request.resume();
    const timer = setInterval(() => response.write("x".repeat(65_536)), 1);
    response.on("close", () => clearInterval(timer));
  });
  await expect(attempt(etcdLeases({ endpoints: [endless] }))).rejects.toThrow(/1 MiB/u);
});

test("a signal ends an attempt at an endpoint that is silent, and the next one begins with another", async (context) => {
  const { port } = await engine(context);
  const silent = await silentEndpoint();
  const alone = etcdLeases({ endpoints: [silent] });
  const signal = AbortSignal.timeout(50);
  await expect(attempt(alone, { signal })).rejects.toMatchObject({ retryable: true });
  const store = etcdLeases({ endpoints: [silent, `http://127.0.0.1:${port}`] });
  // More than a second for each endpoint, and aborted before.
  const early = attempt(store, { ttlMs: 60_000, signal: AbortSignal.timeout(50) });
  await expect(early).rejects.toMatchObject({ retryable: true });
  await acquired(store, { key: freshKey() });
});

test("endpoints of two clusters are refused: each would give the key to another holder", async (context) => {
  const { port } = await engine(context);
  const { endpoints, ca, members } = await cluster(context);
  expect(members).toHaveLength(3);
  // One of them is behind a proxy that takes plain HTTP.
  const other = etcdLeases({ endpoints, ca: ca ?? "" });
  await acquired(other, { key: freshKey() });
  let asksOther = false;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      if (!asksOther) return await fetch(url, init);
      const pathname = pathOf(url);
      return await new Promise((resolve, reject) => {
        const request = askSecurely(
          `${endpoints[0]}${pathname}`,
          { method: "POST", ca },
          (answer) => {
            let text = "";
            answer.setEncoding("utf8").on("data", (part: string) => (text += part));
            answer.on("end", () => resolve(new Response(text, { status: answer.statusCode ?? 0 })));
          },
        );
        request.on("error", reject);
        request.end(init?.body as string);
      });
    },
  });
  const grant = await acquired(store, { key: freshKey() });
  asksOther = true;
  const questions = [() => attempt(store), () => store.renew(grant, 60_000, NEVER)];
  for (const ask of questions) {
    const refused = await ask().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "LEASE_STORE", retryable: false });
    expect((refused as Error).message).toContain("all endpoints must be of one cluster");
  }
});

test("a cluster of three with TLS serves while one member is stopped, and another is killed and back", async (context) => {
  const { endpoints, ca, members } = await cluster(context);
  const store = etcdLeases({ endpoints, ca: ca ?? "" });
  const key = freshKey();
  const grant = await acquired(store, { key });
  const [first, second] = members;
  if (first === undefined || second === undefined) throw new Error("no members");
  /** A new leader takes a second or two, on a busy machine more. */
  const serves = async (): Promise<void> => {
    const isServed = async (): Promise<boolean> => {
      const signal = AbortSignal.timeout(10_000);
      const isRenewed = await store.renew(grant, 60_000, signal).catch(() => null);
      if (isRenewed === false) throw new Error("the hold was lost");
      const other = await attempt(store, { key: freshKey(), signal }).catch(() => null);
      return isRenewed === true && other?.kind === "acquired";
    };
    await waitFor("the cluster to serve", isServed, { deadlineMs: 50_000 });
  };
  first.pause();
  await serves();
  first.resume();
  await second.kill();
  await serves();
  await second.restart();
  await serves();
  expect(await attempt(store, { key })).toMatchObject({ kind: "held", epoch: grant.epoch });
}, 180_000);

test("a server whose certificate is not trusted is refused for good, by fetch and with another authority", async (context) => {
  const { endpoints } = await cluster(context);
  // Of the same name, and another's.
  const { ca } = makeCertificates(temporaryFolder());
  for (const store of [etcdLeases({ endpoints }), etcdLeases({ endpoints, ca })]) {
    const failed = await attempt(store).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "LEASE_STORE", retryable: false });
  }
});

// etcd closes such a connection without a word.
test("TLS to a server of plain HTTP, and plain HTTP to one of TLS, are refused", async (context) => {
  const { endpoints, ca } = await cluster(context);
  const { port } = await engine(context);
  for (const store of [
    etcdLeases({ endpoints: [`https://127.0.0.1:${port}`], ca: ca ?? "" }),
    etcdLeases({ endpoints: [`https://127.0.0.1:${port}`] }),
    etcdLeases({ endpoints: endpoints.map((url) => url.replace("https:", "http:")) }),
  ]) {
    await expect(attempt(store)).rejects.toMatchObject({ code: "LEASE_STORE" });
  }
});
