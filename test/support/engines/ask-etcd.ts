/** etcd asked by hand, beside the store that is tested. */

export async function askEtcd(port: number, path: string, body: object): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${text}`);
  return JSON.parse(text);
}

/** The ids of all etcd leases. */
export async function leasesIn(port: number): Promise<readonly string[]> {
  const { leases = [] } = (await askEtcd(port, "lease/leases", {})) as {
    leases?: readonly { readonly ID: string }[];
  };
  return leases.map(({ ID }) => ID);
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** The path that a `fetch` is asked for. */
export function pathOf(url: Parameters<typeof fetch>[0]): string {
  return new URL(url instanceof Request ? url.url : url).pathname;
}
