// The package on Debian's 6.1 kernel, in a virtual machine that really reboots (qemu without KVM).
//
//   npm run build && node test/lab/kernel/run.mjs
//
// Installs what is missing (qemu, busybox, cpio), keeps the kernel in build/tools, and the machine's console in
// build/kernel/console.log. What runs in the machine is in guest/; it says one line of JSON for each thing it looks at,
// and asks for what the host has to do on the folder that they share. Closes with the line "N passed, N failed".
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { hold, judge, release } from "./guest/programs.mjs";
import { CONSOLE, makeMachine, SHARE, startMachine } from "./machine.mjs";

/** For one line to come, milliseconds; a boot with all that comes before its first word takes 15 s here. */
const PATIENCE_MS = 120_000;

const holders = new Map();
const counts = { passed: 0, failed: 0 };

/** What the guest asks to be done on this side, by the programs that it runs itself. */
const SERVICES = {
  hold: async (name, sessionFile, options) => {
    const holder = await hold("session", sessionFile, options);
    holders.set(name, holder);
    return { pid: holder.pid };
  },
  release: async (name) => {
    await release(holders.get(name));
    holders.delete(name);
    return {};
  },
  judge: (_name, sessionFile, options) => judge(sessionFile, options),
};

function serve({ ask, name, hostId }) {
  const folder = join(SHARE, name);
  mkdirSync(folder, { recursive: true });
  const env = { ...process.env, ...(hostId === null ? {} : { PIDENTITY_HOST_ID: hostId }) };
  return SERVICES[ask](name, join(folder, "s.jsonl"), { env });
}

/** @returns true when it was the last one */
async function take(line, machine) {
  const said = JSON.parse(line);
  if (said.check !== undefined) {
    counts[said.ok ? "passed" : "failed"] += 1;
    const { check, ok, ...more } = said;
    console.log(ok ? `ok     ${check}` : `FAILED ${check}: ${JSON.stringify(more)}`);
  }
  if (said.ask !== undefined) machine.say(JSON.stringify(await serve(said)));
  if (said.rebooting) console.log("       the machine resets");
  return said.done === true;
}

async function listen(machine) {
  const lines = machine.lines[Symbol.asyncIterator]();
  for (;;) {
    let timer;
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error("the machine says nothing")), PATIENCE_MS);
    });
    try {
      const { value, done } = await Promise.race([lines.next(), late]);
      if (done) throw new Error(`the machine ended: ${machine.errors()}`);
      if (await take(value, machine)) return;
    } finally {
      clearTimeout(timer);
    }
  }
}

const started = performance.now();
const machine = startMachine(makeMachine());
try {
  await listen(machine);
} catch (error) {
  counts.failed += 1;
  console.log(`FAILED ${error.stack}`);
} finally {
  await machine.end();
  for (const holder of holders.values()) await holder.kill();
}
if (counts.failed > 0 && existsSync(CONSOLE)) {
  console.log(
    `The console's end:\n${readFileSync(CONSOLE, "utf8").split("\n").slice(-40).join("\n")}`,
  );
}
console.log(`${Math.round((performance.now() - started) / 1000)} s`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
