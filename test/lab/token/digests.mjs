// How the fields of a reader or writer come about: the OS's texts, and what a token says of them.
import { toTokenHost } from "../../../build/modules/process/identity.js";

const HOST = {
  platform: "linux",
  machineId: null,
  hostname: "",
  bootId: null,
  pidNamespace: null,
  initialPidNamespace: false,
  startTimeOffset: 0,
  monotonicOffsetMs: 0,
};

const CASES = [
  { machineId: "0123456789abcdef0123456789abcdef" },
  { machineId: "0123456789ABCDEF0123456789ABCDEF" },
  { machineId: "rack 7 · blade 3" },
  { machineId: "" },
  { machineId: null },
  { hostname: "web-17" },
  { hostname: "WEB-17.example.org" },
  { hostname: "m\u00fchle" },
  { hostname: "" },
  { bootId: "c707c71d-3a60-4d30-a4b8-3d7a1d0cb1c7" },
  { bootId: "C707C71D-3A60-4D30-A4B8-3D7A1D0CB1C7" },
  { bootId: "0000000f00000000deadbeef" },
  { bootId: "a".repeat(40) },
  { bootId: "a".repeat(41) },
  { bootId: `${"a".repeat(20)}-${"b".repeat(20)}` },
  { bootId: "---" },
  { bootId: null },
];

/** Of each: what the OS says, and the fields `host`, `hostname` and `boot`. */
export function digestVectors() {
  return CASES.map((given) => {
    const { hostDigest, hostnameDigest, boot } = toTokenHost({ ...HOST, ...given }, false);
    const { machineId, hostname, bootId } = { ...HOST, ...given };
    return { machineId, hostname, bootId, fields: { hostDigest, hostnameDigest, boot } };
  });
}
