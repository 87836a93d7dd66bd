// Of many readings those that differ in something that a verdict may depend on.
import {
  isOfOtherNamespace,
  isSameBoot,
  parseToken,
} from "../../../build/modules/process/token.js";

/** The first vector of each kind, and none twice. `readers`: the facts of each by name. */
export function thinned(vectors, readers) {
  const kinds = new Set();
  return vectors.filter((vector) => {
    const kind = JSON.stringify(kindOf(vector, readers[vector.reader]));
    const itself = JSON.stringify({ ...vector, world: "" });
    const isNew = !kinds.has(kind) && !kinds.has(itself);
    kinds.add(kind).add(itself);
    return isNew;
  });
}

function kindOf({ world, token, atPid, byExactId, nested, verdict }, reader) {
  const parsed = parseToken(token);
  if (parsed === null) return world;
  const fields = ["platform", "hostDigest", "boot", "pidNamespace"].map((field) =>
    relation(parsed[field], reader[field]),
  );
  const about = (found) => [
    found.state,
    found.reason,
    relation(found.startTime, parsed.startTime),
    relation(found.exactId, parsed.exactId),
  ];
  const kind = [fields, reader.initialPidNamespace, verdict];
  // Nothing is asked then.
  if (!isSameBoot(parsed, reader)) return [...kind, reader.isHostIdPinned, parsed.pidNamespace];
  const what = world.slice(0, world.indexOf(" of ")).replace(/^(?:the agent|a child)$/u, "alive");
  if (!isOfOtherNamespace(parsed, reader)) return [...kind, what, about(atPid)];
  const inside = nested && [
    nested.isComplete,
    [...new Set(nested.having.map(about).map(String))].toSorted((a, b) => (a < b ? -1 : 1)),
  ];
  return [...kind, what, byExactId, inside];
}

function relation(own, other) {
  return own === null || other === null ? "unknown" : own === other;
}
