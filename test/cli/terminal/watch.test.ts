import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import type { CliEvents } from "../../../lib/cli/terminal/io.js";
import { watch } from "../../../lib/cli/terminal/watch.js";
import { recordingIo } from "../../support/command-line.js";
import { endedPid, lockDirectory } from "../../support/locks/lock-directory.js";
import { ROOT } from "../../support/processes/programs.js";
import { requireLinux, requireNative } from "../../support/require.js";
import { waitFor } from "../../support/wait-for.js";

const ENTER = "\u001B[?1049h\u001B[?25l";
const LEAVE = "\u001B[?25h\u001B[?1049l";

/** Events that the test makes happen, and whether the code still listens to them. */
function fakeEvents() {
  const listeners = new Set<(event: never) => void>();
  const signals: NodeJS.Signals[] = [];
  const on =
    <T>(slot: { emit: (event: T) => void }) =>
    (listener: (event: T) => void): (() => void) => {
      slot.emit = listener;
      listeners.add(listener);
      return () => void listeners.delete(listener);
    };
  const noListener = (): void => {
    throw new Error("no listener");
  };
  const keys = { emit: noListener as (keys: string) => void };
  const resize = { emit: noListener };
  const signal = { emit: noListener as (signal: NodeJS.Signals) => void };
  const exit = { emit: noListener };
  const events: CliEvents = {
    onKeys: on(keys),
    onResize: on(resize),
    onSignal: on(signal),
    onExit: on(exit),
    endBySignal: (name) => void signals.push(name),
  };
  return { events, keys, resize, signal, exit, listeners, signals };
}

/** A watch over a number that grows with every look. */
function startWatch({ everyMs = 1, rows = 24 } = {}) {
  const happening = fakeEvents();
  const io = recordingIo({
    isTTY: true,
    rows,
    events: happening.events,
    now: () => performance.now(),
  });
  let looks = 0;
  let draws = 0;
  const ended = watch(
    {
      look: () => Promise.resolve(++looks),
      draw: (seen) => {
        draws++;
        return Promise.resolve([`look ${String(seen)}`, "line 2", "line 3"]);
      },
    },
    io,
    { everyMs },
  );
  const text = (): string => io.stdout.text();
  return { ...happening, ended, text, looks: () => looks, draws: () => draws };
}

test("looks again and again, paints over what was there, and gives the terminal back after q", async () => {
  const { ended, text, looks, keys, listeners } = startWatch();
  await waitFor("some looks", () => looks() > 3);
  keys.emit("x");
  keys.emit("q");
  expect(await ended).toBeGreaterThan(2);
  expect(text().startsWith(ENTER)).toBe(true);
  expect(text()).toContain("\u001B[Hlook 2\u001B[K\nline 2\u001B[K\nline 3\u001B[K\u001B[J");
  expect(text().endsWith(LEAVE)).toBe(true);
  // Nothing is cleared in between: that would flicker.
  expect(text()).not.toContain("\u001B[2J");
  expect(listeners.size).toBe(0);
});

test("Ctrl-C is a key like q where signals are keys", async () => {
  const { ended, text, looks, keys, signals } = startWatch();
  await waitFor("a look", () => looks() > 1);
  keys.emit("\u0003");
  await ended;
  expect(text().endsWith(LEAVE)).toBe(true);
  expect(signals).toEqual([]);
});

test("a signal gives the terminal back first and then does what it would have done", async () => {
  const { ended, text, looks, signal, signals, listeners } = startWatch();
  await waitFor("a look", () => looks() > 1);
  signal.emit("SIGTERM");
  await ended;
  expect(text().endsWith(LEAVE)).toBe(true);
  expect(signals).toEqual(["SIGTERM"]);
  expect(listeners.size).toBe(0);
});

test("an exit from elsewhere gives the terminal back, too, and only once", async () => {
  const { ended, text, exit, keys, draws } = startWatch({ everyMs: 60_000 });
  await waitFor("a picture", () => draws() > 0);
  exit.emit();
  expect(text().endsWith(LEAVE)).toBe(true);
  keys.emit("q");
  await ended;
  expect(text().split(LEAVE)).toHaveLength(2);
});

test("another size is drawn at once, of what was seen", async () => {
  const { ended, looks, draws, resize, keys } = startWatch({ everyMs: 60_000 });
  await waitFor("a picture", () => draws() === 1);
  resize.emit();
  await waitFor("another picture", () => draws() === 2);
  expect(looks()).toBe(1);
  keys.emit("q");
  await ended;
});

test("what is higher than the terminal is cut, and that is said", async () => {
  const { ended, text, looks, keys } = startWatch({ rows: 2 });
  await waitFor("a look", () => looks() > 1);
  keys.emit("q");
  await ended;
  expect(text()).toContain("\u001B[Hlook 1\u001B[K\n… 2 more lines\u001B[K\u001B[J");
});

test("a look that fails gives the terminal back and tells", async () => {
  const { events, listeners } = fakeEvents();
  const io = recordingIo({ isTTY: true, events });
  const look = (): Promise<never> => Promise.reject(new Error("blind"));
  await expect(watch({ look, draw: () => Promise.resolve([]) }, io)).rejects.toThrow("blind");
  expect(io.stdout.text()).toBe(ENTER + LEAVE);
  expect(listeners.size).toBe(0);
});

test("q during the first look ends it, with nothing seen", async () => {
  const { events, keys } = fakeEvents();
  const io = recordingIo({ isTTY: true, events });
  const look = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve("half"));
    });
  const ended = watch({ look, draw: () => Promise.resolve(["drawn"]) }, io);
  keys.emit("q");
  expect(await ended).toBeNull();
  expect(io.stdout.text()).toBe(ENTER + LEAVE);
});

/** `pidentity locks <folder> --watch` on a terminal of its own, made by `script`. */
function watchOnTerminal(folder: string) {
  const main = join(ROOT, "dist/cli/main.js");
  // The shell's pid is the program's: exec. And what the terminal is like afterwards.
  const inner = `echo "pid $$"; exec "${process.execPath}" "${main}" locks "${folder}" --watch`;
  const shell = `stty rows 24 cols 80; sh -c '${inner}'; echo "code $?"; stty -a`;
  const child = spawn("script", ["-qfec", shell, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm" },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  return {
    output: () => output,
    type: (keys: string) => void child.stdin.write(keys),
    pid: () => Number(/pid (\d+)/u.exec(output)?.[1]),
    ended: once(child, "close"),
  };
}

for (const [what, end, code] of [
  ["q", (terminal: ReturnType<typeof watchOnTerminal>) => terminal.type("q"), 1],
  ["Ctrl-C", (terminal: ReturnType<typeof watchOnTerminal>) => terminal.type("\u0003"), 1],
  [
    "SIGTERM",
    (terminal: ReturnType<typeof watchOnTerminal>) => void process.kill(terminal.pid(), "SIGTERM"),
    128 + 15,
  ],
] as const) {
  test(`on a real terminal ${what} ends it and gives the terminal back as it was`, async (context) => {
    requireLinux(context, "script");
    requireNative(context);
    const directory = lockDirectory();
    directory.writePlain("a-dead", { pid: await endedPid() });
    const terminal = watchOnTerminal(directory.path);
    // Two pictures: it looks again.
    const isWatching = (): boolean => terminal.output().split("process has ended").length > 2;
    await waitFor("two pictures", isWatching, { deadlineMs: 25_000 });
    end(terminal);
    await terminal.ended;
    const [live = "", after = ""] = terminal.output().split(LEAVE);
    expect(live).toContain(ENTER);
    expect(live).toContain("Found 1 session lock file. 1 is stale: --fix would remove it.");
    expect(after).toContain(`code ${String(code)}\r\n`);
    // Lines and their echo again.
    expect(after).toMatch(/(?<!-)icanon/u);
    expect(after).toMatch(/(?<![-\w])echo /u);
  });
}
