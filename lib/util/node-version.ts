/** Which runtimes have all that this package calls. */

/**
 * Null, or one sentence why this runtime will not do. It is asked where the first thing is needed that older ones lack,
 * not at import, which never throws.
 *
 * Source: `process.getBuiltinModule` came with Node 20.16 and 22.3; Bun and Deno have it, too.
 */
export function whyUnsupported(): string | null {
  const found: Partial<typeof process> = process;
  if (typeof found.getBuiltinModule === "function") return null;
  return `pidentity needs Node.js ^20.19.0 or >=22.12.0, this is ${process.version}`;
}
