// On a Node that is too old: importing works, and the first lock says in one sentence what is missing.
import { acquireSessionWriteLock } from "pidentity/session-lock";

try {
  await acquireSessionWriteLock({ sessionFile: "old-node.jsonl" });
} catch (error) {
  console.log(`${error.code}: ${error.message}`);
}
