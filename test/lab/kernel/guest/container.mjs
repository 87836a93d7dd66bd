// Containers with one shared disk: their first process, pid 1 always, holds a lock.
import { mkdirSync } from "node:fs";

import { check } from "./check.mjs";
import { hold, judge, release } from "./programs.mjs";

/** A pid, mount and host name namespace, with its own /proc; its first process is the program. */
const CONTAINER = ["/bin/unshare", "-m", "-u", "-i", "-p", "-f", "--mount-proc", "--"];
const sessionOf = (name) => `/var/locks/${name}/s.jsonl`;

/** A container that the reset ends. */
export async function leaveContainers() {
  mkdirSync("/var/locks/one", { recursive: true });
  const one = await hold("session", sessionOf("one"), { prefix: CONTAINER });
  check("a container's holder is its first process", one.pid, 1);
  return { one: one.token };
}

/** The same container after the reset, and another that lives. */
export async function judgeContainers() {
  mkdirSync("/var/locks/two", { recursive: true });
  const two = await hold("session", sessionOf("two"), { prefix: CONTAINER });
  check("another container's holder has the same pid", two.pid, 1);
  const kept = { state: "same", removable: false, swept: false, acquired: false };
  check(
    "a restarted container keeps a live neighbour's lock",
    await judge(sessionOf("two"), { prefix: CONTAINER }),
    kept,
  );
  check("the host keeps it", await judge(sessionOf("two")), kept);
  check(
    "a restarted container takes its own lock over",
    await judge(sessionOf("one"), { prefix: CONTAINER }),
    {
      state: "gone",
      removable: true,
      swept: true,
      acquired: true,
    },
  );
  await release(two);
  check(
    "after its release the neighbour's lock is to be had",
    await judge(sessionOf("two"), { prefix: CONTAINER }),
    {
      state: null,
      acquired: true,
    },
  );
}
