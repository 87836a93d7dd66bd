// What names this machine and this boot, and the namespaces through which this process sees others.
#ifndef PIDENTITY_NATIVE_LINUX_HOST_FACTS_H_
#define PIDENTITY_NATIVE_LINUX_HOST_FACTS_H_

#include <cstdint>
#include <string>

namespace pidentity {

// What the answers about other processes depend on. Constant for the life of a process that does
// not itself unshare(2) or remount.
struct Namespaces {
  // /proc is mounted and numbers processes as our own pid namespace does. It does not after
  // `unshare --pid` without `--mount-proc`: there /proc/<pid> describes *another* process.
  bool proc_is_ours = false;
  std::uint64_t pid_namespace = 0;  // inode number; 0 when unknown
  bool initial_pid_namespace = false;
  // Time namespace (Linux 5.6): what we read minus what the initial namespace reads.
  bool time_offsets_known = false;
  double boot_time_offset_ticks = 0;
  double monotonic_offset_ms = 0;
};

Namespaces read_namespaces(double ticks_per_second);

// /etc/machine-id, else D-Bus's copy: 32 hexadecimal digits (machine-id(5)); empty when there is
// neither, or only the "uninitialized" of an image's first boot.
std::string read_machine_id();

// /proc/sys/kernel/random/boot_id; empty when it cannot be read.
std::string read_boot_id();

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_HOST_FACTS_H_
