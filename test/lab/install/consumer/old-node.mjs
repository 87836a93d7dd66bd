// On a Node that is too old: importing every entry works, and the first lock says in one sentence what is missing.
import { acquireSessionWriteLock } from "pidentity/session-lock";

for (const entry of ["", "/file-lock", "/session-attention", "/session-controller"]) {
  await import(`pidentity${entry}`);
}
try {
  await acquireSessionWriteLock({ sessionFile: "old-node.jsonl" });
} catch (error) {
  console.log(error.message);
}
