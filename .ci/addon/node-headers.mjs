import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The headers that were installed together with the running Node: the folder for node-gyp's --nodedir,
 * or null. They make the build work offline and fit exactly; without them node-gyp downloads some.
 */
export function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? prefix : null;
}
