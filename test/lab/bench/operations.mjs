/** The questions of the public API, each beside the operation of floor.c that makes its system calls. */
import { importProduct } from "./product.mjs";

const { getProcessArgs, getProcessStartTime, identifyProcess, inspectProcess, isPidAlive } =
  await importProduct("index.js");

/** @type {Readonly<Record<string, (pid: number) => unknown>>} */
export const OPERATIONS = {
  isAlive: (pid) => isPidAlive(pid),
  startTime: (pid) => getProcessStartTime(pid),
  args: (pid) => getProcessArgs(pid),
  inspect: (pid) => inspectProcess(pid),
  inspectWithoutArgs: (pid) => inspectProcess(pid, { args: false }),
  identity: (pid) => identifyProcess(pid),
};
