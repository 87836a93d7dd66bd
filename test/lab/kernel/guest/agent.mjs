// Runs in the machine as what init starts: the first boot's part, then a reset, then the second boot's.
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { check } from "./check.mjs";
import { leaveContainers, judgeContainers } from "./container.mjs";
import { command } from "./programs.mjs";
import { judgeLeft, leaveLocks } from "./reboot.mjs";
import { judgeShare, judgeShareAfterReboot } from "./share.mjs";

const MEMORY = "/var/first-boot.json";

const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

function runAs(uid) {
  const directory = `/var/locks/user-${uid}`;
  mkdirSync(directory, { recursive: true });
  chownSync(directory, uid, uid);
  const [file, ...args] = command("old-kernel", directory);
  const { status } = spawnSync(file, args, { stdio: "inherit", uid, gid: uid });
  check(`the old kernel's part runs to its end (uid ${uid})`, status, 0);
}

try {
  if (!existsSync(MEMORY)) {
    runAs(0);
    runAs(1000);
    await judgeShare();
    const memory = { bootId, left: await leaveLocks(), containers: await leaveContainers() };
    writeFileSync(MEMORY, JSON.stringify(memory));
    console.log(JSON.stringify({ rebooting: true }));
    spawnSync("/bin/sync");
    // Nothing is told to end: what holds a lock has it when the machine goes.
    spawnSync("/bin/busybox", ["reboot", "-f"]);
  } else {
    const memory = JSON.parse(readFileSync(MEMORY, "utf8"));
    check("the machine has booted anew", memory.bootId === bootId, false);
    await judgeLeft(memory.left);
    await judgeContainers(memory.containers);
    await judgeShareAfterReboot();
    console.log(JSON.stringify({ done: true }));
  }
} catch (error) {
  console.log(
    JSON.stringify({ check: "the agent runs to its end", ok: false, actual: error.stack }),
  );
  console.log(JSON.stringify({ done: true }));
}
