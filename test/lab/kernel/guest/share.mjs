// A folder of the host, seen by 9p here and as a local disk there: a lock of either side is kept by the other.
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";

import { check } from "./check.mjs";
import { hold, judge, release } from "./programs.mjs";

const FOLDER = "/share";
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the host run one of its programs on the same file. */
async function host(ask, name, hostId) {
  console.log(JSON.stringify({ ask, name, hostId }));
  return JSON.parse((await answers.next()).value);
}

const OTHERS = {
  state: "unknown",
  reason: "other-host",
  removable: false,
  swept: false,
  acquired: false,
};
const TAKEN = { state: null, acquired: true };

/** Of machines with ids of their own, and of one that is the other's clone. */
const IDS = [
  { of: "two machines", hostId: null },
  { of: "two machines with one id", hostId: "cloned" },
];

export async function judgeShare() {
  for (const { of, hostId } of IDS) {
    const options = {
      env: { ...process.env, ...(hostId === null ? {} : { PIDENTITY_HOST_ID: hostId }) },
    };
    const name = (what) => `${hostId ?? "own"}-${what}`;
    const sessionOf = (what) => {
      mkdirSync(`${FOLDER}/${name(what)}`, { recursive: true });
      return `${FOLDER}/${name(what)}/s.jsonl`;
    };
    const guests = await hold("session", sessionOf("guest"), options);
    check(
      `the host keeps a live guest's lock (${of})`,
      await host("judge", name("guest"), hostId),
      OTHERS,
    );
    check(`the guest knows its own (${of})`, await judge(sessionOf("guest"), options), {
      state: "same",
      removable: false,
    });
    await release(guests);
    check(
      `the host takes it after the release (${of})`,
      await host("judge", name("guest"), hostId),
      TAKEN,
    );

    sessionOf("host");
    await host("hold", name("host"), hostId);
    check(
      `the guest keeps a live host's lock (${of})`,
      await judge(sessionOf("host"), options),
      OTHERS,
    );
    await host("release", name("host"), hostId);
    check(
      `the guest takes it after the release (${of})`,
      await judge(sessionOf("host"), options),
      TAKEN,
    );

    const dead = await hold("session", sessionOf("dead"), options);
    await dead.kill();
    check(
      `the host keeps a dead guest's lock (${of})`,
      await host("judge", name("dead"), hostId),
      OTHERS,
    );
    check(`the guest removes it (${of})`, await judge(sessionOf("dead"), options), {
      state: "gone",
      swept: true,
    });
    await hold("session", sessionOf("reset"), options);
  }
}

/** The locks that the reset left: a network's disk may be another machine's, so nothing is proven. */
export async function judgeShareAfterReboot() {
  for (const { of, hostId } of IDS) {
    const options = {
      env: { ...process.env, ...(hostId === null ? {} : { PIDENTITY_HOST_ID: hostId }) },
    };
    const sessionFile = `${FOLDER}/${hostId ?? "own"}-reset/s.jsonl`;
    check(
      `a lock of the boot before is kept on the share (${of})`,
      await judge(sessionFile, options),
      OTHERS,
    );
  }
}
