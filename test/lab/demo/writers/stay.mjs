/** The end of every writer's script: says that the lock is written, then lives until its parent ends. */
export function stayAlive() {
  process.stdout.write("ready\n");
  process.stdin.once("end", () => process.exit(0)).resume();
}
