/** The watch that `fs.watch` has made is asked for one event more, and no other watch is touched. */
import { fstatSync, readdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";

import { beforeEach, expect, onTestFinished, test } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { runNode } from "../support/processes/child.js";
import { mountPrivately } from "../support/processes/mount-namespace.js";
import { openNewFile } from "../support/processes/open-file.js";
import { requireBinding, requireLinux } from "../support/require.js";

let binding: NativeBinding;
beforeEach((context) => {
  binding = requireBinding(context);
  requireLinux(context, "inotify");
});

/** linux/inotify.h: what fs.watch asks for, and that with IN_CLOSE_WRITE. */
const OF_RUNTIME = "fc6";
const WITH_CLOSE = "fce";

function startWatch(path: string): void {
  const watcher = watch(path, { persistent: false });
  onTestFinished(() => watcher.close());
}

/** The masks of this process's inotify watches of files that have the inode number of `fd`. */
function masksOf(fd: number): string[] {
  const inode = fstatSync(fd).ino.toString(16);
  const line = new RegExp(`^inotify .* ino:${inode} .* mask:(\\w+) `, "gmu");
  return readdirSync("/proc/self/fdinfo").flatMap((name) => {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${name}`, "utf8");
      return [...text.matchAll(line)].map(([, mask = ""]) => mask);
    } catch {
      return []; // closed since: the listing's own
    }
  });
}

test("the close is added to the runtime's own watch of that file, and to no other", () => {
  const [watched, other] = [openNewFile(), openNewFile()];
  startWatch(other.path);
  startWatch(watched.path);
  expect([masksOf(watched.fd), masksOf(other.fd)]).toEqual([[OF_RUNTIME], [OF_RUNTIME]]);
  expect(binding.tellCloses(watched.fd)).toBe(true);
  expect([masksOf(watched.fd), masksOf(other.fd)]).toEqual([[WITH_CLOSE], [OF_RUNTIME]]);
  // It is asked for already.
  expect(binding.tellCloses(watched.fd)).toBe(false);
  expect([masksOf(watched.fd), masksOf(other.fd)]).toEqual([[WITH_CLOSE], [OF_RUNTIME]]);
});

test("no file is watched that the runtime does not watch", () => {
  const [watched, other] = [openNewFile(), openNewFile()];
  startWatch(watched.path);
  expect(binding.tellCloses(other.fd)).toBe(false);
  expect([masksOf(watched.fd), masksOf(other.fd)]).toEqual([[OF_RUNTIME], []]);
});

// Kernels number watches in decimal or hexadecimal.
test("the close is added to the fortieth watch of a process as to the first", () => {
  for (let count = 1; count <= 40; count++) {
    const { path, fd } = openNewFile();
    startWatch(path);
    expect(binding.tellCloses(fd)).toBe(true);
    expect(masksOf(fd)).toEqual([WITH_CLOSE]);
  }
});

test("a file that has the inode number of a watched one on another file system is not watched", async (context) => {
  // The first file of a tmpfs has the same number on each.
  const place = await mountPrivately(
    context,
    "mkdir a b && mount -t tmpfs none a && mount -t tmpfs none b && touch a/file b/file",
  );
  const script = `
    ${importCompiled("loadNative", "native/load.js")}
    import { fstatSync, openSync, readdirSync, readFileSync, watch } from "node:fs";
    const { binding } = loadNative();
    const [watched, other] = ${JSON.stringify(["a", "b"].map((name) => join(place.folder, name, "file")))};
    watch(watched, { persistent: false });
    const inotify = readdirSync("/proc/self/fdinfo").map((fd) => {
      try {
        return [fd, readFileSync("/proc/self/fdinfo/" + fd, "utf8")];
      } catch {
        return [fd, ""];
      }
    }).find(([, text]) => text.includes("inotify wd:"))[0];
    const watches = () => readFileSync("/proc/self/fdinfo/" + inotify, "utf8");
    const before = watches();
    const [fd, otherFd] = [watched, other].map((path) => openSync(path));
    const isSameNumber = fstatSync(fd).ino === fstatSync(otherFd).ino;
    const told = binding.tellCloses(otherFd);
    console.log(JSON.stringify({ isSameNumber, told, isUnchanged: watches() === before }));`;
  expect(await runNode(script, { prefix: place.prefix })).toEqual({
    isSameNumber: true,
    told: false,
    isUnchanged: true,
  });
});
