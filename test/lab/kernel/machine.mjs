// A virtual machine with Debian's own kernel: its disk, its first file system, and qemu without KVM.
//
// What is downloaded is kept in build/tools; nothing of the kernel's package is installed on this machine.
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { basename, dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { aptInstall, run } from "../../../.ci/command.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const GUEST = fileURLToPath(new URL("guest", import.meta.url));
const OUTPUT = join(ROOT, "build/kernel");
const TOOLS = join(ROOT, "build/tools");

export const SHARE = join(OUTPUT, "share");
export const CONSOLE = join(OUTPUT, "console.log");

/** Program that must be there, and the package that has it. */
const PACKAGES = new Map([
  ["/usr/bin/qemu-system-x86_64", "qemu-system-x86"],
  ["/usr/bin/busybox", "busybox-static"],
  ["/usr/bin/cpio", "cpio"],
  ["/usr/sbin/mke2fs", "e2fsprogs"],
  ["/usr/bin/cc", "gcc"],
]);

/** In the order in which they need each other; the disk's, then the share's. */
const MODULES = [
  "drivers/virtio/virtio_ring.ko",
  "drivers/virtio/virtio.ko",
  "drivers/virtio/virtio_pci_modern_dev.ko",
  "drivers/virtio/virtio_pci_legacy_dev.ko",
  "drivers/virtio/virtio_pci.ko",
  "drivers/block/virtio_blk.ko",
  "lib/crc16.ko",
  "fs/mbcache.ko",
  "fs/jbd2/jbd2.ko",
  "crypto/crc32c_generic.ko",
  "lib/libcrc32c.ko",
  "fs/ext4/ext4.ko",
  "fs/netfs/netfs.ko",
  "fs/fscache/fscache.ko",
  "net/9p/9pnet.ko",
  "net/9p/9pnet_virtio.ko",
  "fs/9p/9p.ko",
];

/** What of the repository runs in there, at the same places under /pidentity. */
const COPIED = [
  "package.json",
  "dist",
  "build/Release/pidentity.node",
  "node_modules/node-gyp-build",
  relative(ROOT, GUEST),
];

const PROGRAMS = ["test/support/native/spawn-as.c", "test/lab/kernel/guest/facts.c"];

/** A machine's id that no other has: the share is judged with it, and with the host's. */
const MACHINE_ID = "5eed0000000040008000000000006001";

/** Makes the disk and the first file system anew. */
export function makeMachine() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(`the machine is for linux-x64: ${process.platform}-${process.arch}`);
  }
  const missing = [...PACKAGES].filter(([file]) => !existsSync(file));
  if (missing.length > 0) aptInstall(missing.map(([, name]) => name));
  const kernel = kernelPackage();
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(SHARE, { recursive: true });
  return { image: imageOf(kernel), initramfs: makeInitramfs(kernel), disk: makeDisk() };
}

/** The unpacked package of Debian's present kernel. */
function kernelPackage() {
  const depends = /Depends: (linux-image-\S+)/u.exec(
    run("apt-cache", ["depends", "linux-image-amd64"]),
  );
  if (depends === null) throw new Error("linux-image-amd64 names no kernel: apt-get update");
  const [, name] = depends;
  const folder = join(TOOLS, name);
  if (existsSync(join(folder, "complete"))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run("apt-get", ["download", name], { cwd: folder });
  const [archive] = readdirSync(folder);
  run("dpkg-deb", ["--extract", archive, "."], { cwd: folder });
  rmSync(join(folder, archive));
  writeFileSync(join(folder, "complete"), "");
  return folder;
}

function imageOf(kernel) {
  const name = readdirSync(join(kernel, "boot")).find((file) => file.startsWith("vmlinuz-"));
  return join(kernel, "boot", name);
}

/** busybox and the modules that the disk needs: it mounts the disk and goes on there. */
function makeInitramfs(kernel) {
  const tree = join(OUTPUT, "initramfs");
  for (const name of ["bin", "modules", "proc", "sys", "dev", "root"]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  copyFileSync(realpathSync("/usr/bin/busybox"), join(tree, "bin/busybox"));
  const [release] = readdirSync(join(kernel, "lib/modules"));
  for (const [index, module] of MODULES.entries()) {
    const name = `${String(index).padStart(2, "0")}-${basename(module)}`;
    copyFileSync(
      join(kernel, "lib/modules", release, "kernel", module),
      join(tree, "modules", name),
    );
  }
  copyFileSync(join(GUEST, "first-init.sh"), join(tree, "init"));
  chmodSync(join(tree, "init"), 0o755);
  const archive = join(OUTPUT, "initramfs.cpio");
  const packed = spawnSync(
    "sh",
    [
      "-c",
      'find . | cpio --quiet --create --format=newc --owner=0:0 > "$0"; chmod 644 "$0"',
      archive,
    ],
    { cwd: tree, encoding: "utf8" },
  );
  if (packed.status !== 0) throw new Error(`cpio: ${packed.stderr}`);
  return archive;
}

/** An ext4 disk with Node, the package and what runs there. Root is not needed to fill it. */
function makeDisk() {
  const tree = join(OUTPUT, "disk");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "share", "var/locks"]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  copyFileSync(realpathSync("/usr/bin/busybox"), join(tree, "bin/busybox"));
  for (const applet of ["sh", "mount", "unshare", "setuidgid", "sleep", "sync", "hostname"]) {
    symlinkSync("busybox", join(tree, "bin", applet));
  }
  copyWithLibraries(process.execPath, join(tree, "bin/node"), tree);
  for (const name of COPIED) {
    const target = join(tree, "pidentity", name);
    const source = join(ROOT, name);
    try {
      accessSync(source);
    } catch {
      throw new Error(`not built: ${name}: npm run build`);
    }
    mkdirSync(dirname(target), { recursive: true });
    cpSync(source, target, { recursive: true, dereference: true });
  }
  for (const source of PROGRAMS) {
    const target = join(tree, "bin", basename(source, ".c"));
    run("cc", ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-static", "-o", target, source]);
  }
  writeFileSync(join(tree, "etc/machine-id"), `${MACHINE_ID}\n`);
  writeFileSync(join(tree, "etc/passwd"), "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n");
  writeFileSync(join(tree, "etc/group"), "root:x:0:\nuser:x:1000:\n");
  const disk = join(OUTPUT, "disk.ext4");
  // 256-byte inodes, as on every ext4 of today, have the times in nanoseconds.
  const flags = ["-q", "-t", "ext4", "-I", "256", "-E", "root_owner=0:0", "-d", tree];
  run("/usr/sbin/mke2fs", [...flags, disk, "320M"]);
  return disk;
}

function copyWithLibraries(program, target, tree) {
  cpSync(program, target, { dereference: true });
  const libraries = run("ldd", [program]).matchAll(/(\/\S+) \(0x/gu);
  for (const [, library] of libraries) {
    const copy = join(tree, library);
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(library, copy, { dereference: true });
  }
}

/**
 * Starts it. It resets without qemu ending: `reboot` is one, with the same disk.
 *
 * @returns `lines`: what its agent writes; `say`: a line to it; `end`: off, at once
 */
export function startMachine({ image, initramfs, disk }) {
  const child = spawn(
    "/usr/bin/qemu-system-x86_64",
    [
      "-machine",
      "q35",
      "-accel",
      "tcg",
      "-cpu",
      "max",
      "-smp",
      "2",
      "-m",
      "512",
      "-display",
      "none",
      "-nodefaults",
      "-no-user-config",
      "-kernel",
      image,
      "-initrd",
      initramfs,
      // What the mitigations cost under emulation is most of the time.
      "-append",
      "console=ttyS0 loglevel=4 mitigations=off nokaslr random.trust_cpu=on",
      "-drive",
      `file=${disk},format=raw,if=virtio,cache=unsafe`,
      "-virtfs",
      `local,path=${SHARE},mount_tag=share,security_model=none,id=share`,
      "-serial",
      `file:${CONSOLE}`,
      "-serial",
      "stdio",
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  const ended = once(child, "close");
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  child.stdin.on("error", () => {});
  return {
    lines: createInterface({ input: child.stdout }),
    say: (line) => child.stdin.write(`${line}\n`),
    errors: () => errors,
    async end() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
