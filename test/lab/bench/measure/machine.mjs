/** What figures were measured on: without it they say little. */
import { statfsSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";

// linux/magic.h
const FILE_SYSTEMS = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlay"],
  [0x65735546, "FUSE"],
]);

/** @param {string} directory where files were made */
export function describeMachine(directory) {
  const [cpu] = cpus();
  const { type } = statfsSync(directory);
  return {
    cpu: cpu?.model.trim() ?? "unknown CPU",
    cores: cpus().length,
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    fileSystem: FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`,
    directory,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** @param {ReturnType<typeof describeMachine>} machine */
export function machineLine({ cpu, cores, kernel, node, fileSystem, directory, load }) {
  return `${cpu}, ${cores} cores, ${kernel}, Node ${node}; ${directory} on ${fileSystem}; load ${load} at the start`;
}
