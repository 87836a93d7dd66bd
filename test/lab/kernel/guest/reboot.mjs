// Locks and pid files of processes that a reset ends, judged on the next boot while other processes have their pids.
import { mkdirSync, readFileSync } from "node:fs";

import { acquirePidFile } from "../../../../dist/file-lock/index.js";
import { signalProcess, verifyProcess } from "../../../../dist/index.js";
import { check } from "./check.mjs";
import { hold, judge, start } from "./programs.mjs";

const DIRECTORY = "/var/locks/reboot";
const SESSION = `${DIRECTORY}/s.jsonl`;
const PID_FILE = { json: `${DIRECTORY}/json.pid`, pid: `${DIRECTORY}/number.pid` };
/** Far from what the kernel gives out on either boot. */
const PIDS = { session: 20_001, json: 20_002, pid: 20_003 };

/** Takes one of each kind. */
export async function leaveLocks() {
  mkdirSync(DIRECTORY, { recursive: true });
  const held = {};
  for (const [kind, pid] of Object.entries(PIDS)) {
    const path = kind === "session" ? SESSION : PID_FILE[kind];
    const holder = await hold(kind, path, { prefix: ["/bin/spawn-as", `${pid}`] });
    check(`a holder has the chosen pid (${kind})`, holder.pid, pid);
    held[kind] = holder.token;
  }
  return held;
}

/** @param tokens what {@link leaveLocks} gave on the boot before */
export async function judgeLeft(tokens) {
  const others = [];
  for (const pid of Object.values(PIDS)) {
    const other = start(["/bin/spawn-as", `${pid}`, "/bin/sh", "-c", "echo started; read -r line"]);
    await other.line();
    others.push(other);
  }
  for (const [kind, token] of Object.entries(tokens)) {
    check(
      `a holder of the boot before is gone although its pid runs (${kind})`,
      verifyProcess(token),
      {
        state: "gone",
        reason: "rebooted",
      },
    );
    check(`a signal to it goes to no process (${kind})`, signalProcess(token, "SIGKILL"), {
      state: "gone",
    });
  }
  check("its lock is removed although its pid runs", await judge(SESSION), {
    state: "gone",
    reason: "kernel-lock-free",
    removable: true,
    swept: true,
    acquired: true,
  });
  for (const [format, path] of Object.entries(PID_FILE)) {
    const lock = await acquirePidFile({ path, format, timeoutMs: 5000 });
    const text = readFileSync(path, "utf8");
    check(`its pid file is taken over (${format})`, text.includes(`${process.pid}`), true);
    await lock.release();
  }
  for (const [index, other] of others.entries()) {
    check(`the process with its pid still runs (${index + 1})`, other.child.exitCode, null);
    other.say("end");
    await other.ended;
  }
}
