/** Locks of OpenClaw and its forks beside those of sessions: of a gateway, of a store of sessions. Pure. */
import { claim, type Claim, type LockForm } from "./form.js";
import { type JsonFields, jsonObject, positiveInteger, textOf, timeMs } from "./json-object.js";

/**
 * `gateway.<8 hexadecimal digits of the configuration's path>.lock`:
 * `{ pid, createdAt, configPath, startTime? }`; the start time is field 22 of `/proc/<pid>/stat`, Linux only.
 */
export const GATEWAY_LOCK: LockForm = {
  kind: "openclaw-gateway",
  title: "a gateway's lock",
  remedy: "the gateway takes it over when it starts; with no gateway running, remove it by hand",
  mayBe: (name, type) => type === "file" && /^gateway\.[0-9a-f]{8}\.lock$/.test(name),
  read: (file) => {
    if (!GATEWAY_LOCK.mayBe(file.name, file.type)) return null;
    const fields = jsonObject(file);
    if (fields === null || textOf(fields.configPath) === null) return null;
    const { pid, createdAt, startTime } = fields;
    return claim({
      pid: positiveInteger(pid),
      writtenMs: timeMs(createdAt),
      startTime: file.platform === "linux" ? positiveInteger(startTime) : null,
    });
  },
};

/** `sessions.json.lock`: a plain lock, or `{ pid, startedAt }` as earlier versions write it. */
export const SESSION_STORE_LOCK: LockForm = {
  kind: "session-store",
  title: "the lock of a gateway's list of sessions",
  remedy: "with no gateway running, remove it by hand",
  mayBe: (name, type) => type === "file" && name === "sessions.json.lock",
  read: (file) => {
    if (!SESSION_STORE_LOCK.mayBe(file.name, file.type)) return null;
    const fields = jsonObject(file);
    return fields === null || positiveInteger(fields.pid) === null ? null : plainClaim(fields);
  },
};

/** What JSON locks of many programs have in common. */
export function plainClaim(fields: JsonFields): Claim {
  const { pid, createdAt, startedAt, starttime, hostname, host } = fields;
  return claim({
    pid: positiveInteger(pid),
    writtenMs: timeMs(createdAt) ?? timeMs(startedAt),
    startTime: positiveInteger(starttime),
    host: textOf(hostname) ?? textOf(host),
  });
}
