// Vectors of platforms that make-vectors.mjs has no world for: what Windows and macOS answer, as native/windows and
// native/darwin give it, and facts that only rare kernels leave out.

const BOOT = "0000001200000000deadbeef";
const OTHER_BOOT = "0000001100000000cafe0001";
const HOST = "00112233aabbccdd";
const START = 1_753_000_123_456_789;

const reader = (platform, more = {}) => ({
  platform,
  hostDigest: HOST,
  hostnameDigest: "0badcafe",
  boot: BOOT,
  pidNamespace: "0",
  initialPidNamespace: true,
  isHostIdPinned: false,
  ...more,
});

const READERS = {
  Windows: reader("win32"),
  macOS: reader("darwin"),
  "macOS without machine id": reader("darwin", { hostDigest: null }),
  "FreeBSD, backend basic": reader("freebsd", { hostDigest: null, boot: null }),
  "Linux, pid namespace unknown": reader("linux", {
    pidNamespace: null,
    initialPidNamespace: false,
  }),
};

const token = (
  platform,
  { boot = BOOT, host = HOST, ns = "0", pid = 4712, start = START, exact = 77 } = {},
) => `pi1.${platform}.${host}.0badcafe.${boot}.${ns}.${pid}.${start}.${exact}`;

const found = (state, reason, startTime = null, exactId = null) => ({
  state,
  reason,
  startTime,
  exactId: exactId === null ? null : String(exactId),
});
const NONE = { state: "unknown", reason: "unsupported" };
const RUNNING = found("alive", "running", START, 77);

export function composedVectors() {
  const vectors = [];
  const add = (who, world, given, atPid, verdict) => {
    const [state, reason] = verdict.split(" ");
    const platform = READERS[who].platform;
    vectors.push({
      world: `${who}: ${world}`,
      token: token(platform, given),
      reader: who,
      atPid,
      // Neither looks up processes by them.
      byExactId: given.exact === "-" ? null : NONE,
      nested: null,
      verdict: { state, reason },
    });
  };
  for (const who of ["Windows", "macOS"]) {
    add(who, "it runs", {}, RUNNING, "same running");
    add(who, "no process", {}, found("gone", "no-such-process"), "gone no-such-process");
    add(who, "another process", {}, found("alive", "running", START + 5e6, 78), "gone recycled");
    add(
      who,
      "another process, started alike",
      {},
      found("alive", "running", START, 78),
      "gone recycled",
    );
    add(who, "details denied", {}, found("alive", "running"), "unknown unsupported");
    add(who, "denied", {}, found("unknown", "access-denied"), "unknown access-denied");
    add(who, "unsupported", {}, found("unknown", "unsupported"), "unknown unsupported");
    add(
      who,
      "another one, of which more is denied",
      {},
      found("unknown", "access-denied", null, 78),
      "gone recycled",
    );
    const plain = { exact: "-" };
    for (const [distance, verdict] of [
      [0, "same running"],
      [1, "same running"],
      [1000, "same running"],
      [-1000, "same running"],
      [1001, "gone recycled"],
      [-1001, "gone recycled"],
    ]) {
      add(
        who,
        `started ${distance} microseconds later`,
        plain,
        found("alive", "running", START + distance),
        verdict,
      );
    }
    add(who, "no start time in the token", { start: "-" }, RUNNING, "same running");
    add(
      who,
      "nothing to compare in the token",
      { start: "-", exact: "-" },
      RUNNING,
      "unknown unsupported",
    );
    add(who, "of an earlier boot", { boot: OTHER_BOOT }, RUNNING, "gone rebooted");
    add(
      who,
      "of an earlier boot of another machine",
      { boot: OTHER_BOOT, host: "f".repeat(16) },
      RUNNING,
      "unknown other-host",
    );
    add(
      who,
      "of an earlier boot, machine not told",
      { boot: OTHER_BOOT, host: "-" },
      RUNNING,
      "unknown other-host",
    );
    add(who, "boot not told", { boot: "-" }, RUNNING, "unknown other-host");
    add(who, "of this boot of another machine", { host: "f".repeat(16) }, RUNNING, "same running");
    add(
      who,
      "of a pid namespace, which there is none of",
      { ns: "4026531836" },
      RUNNING,
      "unknown other-pid-namespace",
    );
    add(who, "pid namespace not told", { ns: "-" }, RUNNING, "unknown other-pid-namespace");
  }
  const exited = (start, exact) => found("gone", "exited", start, exact);
  add("Windows", "it has exited, a handle is open", {}, exited(START, 77), "gone exited");
  add("Windows", "it has exited, nothing more is told", {}, exited(null, null), "gone exited");
  add(
    "Windows",
    "it has exited, by its start time",
    { exact: "-" },
    exited(START, null),
    "gone exited",
  );
  add("Windows", "a later one has exited", {}, exited(START + 5e6, 78), "gone recycled");
  add(
    "Windows",
    "a later one has exited, by its start time",
    { exact: "-" },
    exited(START + 5e6, null),
    "gone recycled",
  );
  add(
    "Windows",
    "a pid that is no multiple of four",
    { pid: 4713 },
    found("gone", "invalid-pid"),
    "gone no-such-process",
  );
  add("macOS", "a zombie", {}, found("gone", "zombie"), "gone zombie");
  add(
    "macOS",
    "a later one's zombie",
    {},
    found("gone", "zombie", START + 5e6, null),
    "gone recycled",
  );
  add(
    "macOS without machine id",
    "of an earlier boot",
    { boot: OTHER_BOOT },
    RUNNING,
    "unknown other-host",
  );
  add(
    "macOS without machine id",
    "of an earlier boot, neither told",
    { boot: OTHER_BOOT, host: "-" },
    RUNNING,
    "unknown other-host",
  );
  add(
    "FreeBSD, backend basic",
    "a token of a better backend",
    {},
    found("alive", "running"),
    "unknown other-host",
  );
  add(
    "FreeBSD, backend basic",
    "no process",
    {},
    found("gone", "no-such-process"),
    "unknown other-host",
  );
  add(
    "Linux, pid namespace unknown",
    "pid namespace not told",
    { ns: "-", start: 500 },
    found("alive", "running", 500, 77),
    "unknown other-pid-namespace",
  );
  add(
    "Linux, pid namespace unknown",
    "of a pid namespace",
    { ns: "4026531836", start: 500 },
    found("alive", "running", 500, 77),
    "unknown other-pid-namespace",
  );
  vectors.push({
    ...vectors.at(-1),
    world: "Linux, pid namespace unknown: found by its exact id",
    byExactId: { state: "alive", reason: "running" },
    verdict: { state: "same", reason: "running" },
  });
  vectors.push({
    ...vectors.at(-1),
    world: "Linux, pid namespace unknown: proven gone by its exact id",
    byExactId: { state: "gone", reason: "zombie" },
    verdict: { state: "gone", reason: "zombie" },
  });
  return { readers: READERS, vectors };
}
