// On a Node that is too old: importing every entry works, and the first lock says in one sentence what is missing.
import "pidentity";
import "pidentity/file-lock";
import "pidentity/session-attention";
import "pidentity/session-controller";
import { acquireSessionWriteLock } from "pidentity/session-lock";

try {
  await acquireSessionWriteLock({ sessionFile: "old-node.jsonl" });
} catch (error) {
  console.log(error.message);
}
