/** Which version figures were measured of, and on what: without it they say little. */
import { cpus, loadavg, release } from "node:os";

import { productVersion } from "../product.mjs";

/** @typedef {ReturnType<typeof describeMachine>} Machine */

/** @param {import("./places.mjs").Place | null} place where files were made; null: nowhere */
export function describeMachine(place) {
  const [cpu] = cpus();
  return {
    version: productVersion(),
    cpu: cpu?.model.trim() ?? "unknown CPU",
    cores: cpus().length,
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    ...place,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** @param {Machine} machine */
export function machineLine(machine) {
  const { version, cpu, cores, kernel, node, load } = machine;
  const place = machine.directory === undefined ? "" : `; ${placeName(machine)}`;
  return `pidentity ${version}; ${cpu}, ${cores} cores, ${kernel}, Node ${node}${place}; load ${load} at the start`;
}

/** @param {import("./places.mjs").Place} place */
function placeName({ directory, fileSystem, fileSystemType }) {
  const number = fileSystem === fileSystemType ? "" : ` (${fileSystemType})`;
  return `${directory} on ${fileSystem}${number}`;
}
