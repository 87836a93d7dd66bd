// What XNU does behind the calls of native/darwin, on Linux: a table of processes and the answers
// that the calls give about them, byte for byte as XNU lays them out, errors and oddities included.
// Written after bsd/kern/kern_sysctl.c, proc_info.c, kern_sig.c and kern_exec.c; not a line of
// native/darwin is replaced.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_FAKE_KERNEL_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_FAKE_KERNEL_H_

#include <sys/proc.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fake_kernel {

enum class Call {
  kUniqueId,
  kShortInfo,
  kRecord,
  kArgmax,
  kProcargs,
  kBootSession,
  kHostUuid,
  kKill,
  kListPids,
  kUptime,
  kFileSystem,
};

struct Process {
  std::uint64_t unique_id = 0;
  std::int32_t id_version = 0;  // 0: a kernel that does not count programs
  pid_t parent = 1;
  uid_t uid = 501;
  char state = SRUN;
  bool exiting = false;     // in exit(): found only among the zombies, memory given up
  bool restricted = false;  // code signing hides the environment from kern.procargs2
  bool has_stack = true;    // kernel_task has none
  std::int64_t start_seconds = 1'700'000'000;
  std::int32_t start_microseconds = 123'456;

  std::string path = "/usr/local/bin/node";
  std::vector<std::string> arguments = {"node"};
  std::vector<std::string> environment = {"SECRET=hunter2", "HOME=/Users/me"};
  std::vector<std::string> apple = {
      "ptr_munge=", "main_stack=", "executable_file=0x1a0100000d,0x1"};
  // What the process did to its own stack: gets the string area, from the path on, to write in.
  std::function<void(std::string&)> rewrite;
};

struct Kernel {
  uid_t caller = 501;
  std::map<pid_t, Process> processes;
  std::map<Call, int> errors;  // a sandbox, or a kernel out of memory: this call gives that errno
  int argument_space = 1 << 20;
  std::string boot_session = "7A3F1C52-90AB-4D0E-8C11-5B6D7E8F9A01";
  std::vector<std::uint8_t> host_uuid = {0x56, 0x4d, 0x3e, 0x0f, 0x12, 0x34, 0x56, 0x78,
                                         0x9a, 0xbc, 0xde, 0xf0, 0x01, 0x23, 0x45, 0x67};
  std::int64_t uptime_seconds = 4'000'000;  // sleep left out
  std::int64_t uptime_nanoseconds = 123'456'789;
  std::map<int, std::uint32_t> file_systems;  // f_type by descriptor; others are not open
  // By the unique id of the process that got it, and its number.
  std::vector<std::pair<std::uint64_t, int>> signals;
  // Runs before the nth call (from 1) of its kind is answered: what happens between two questions.
  std::function<void(Call, int nth)> before;
  std::vector<Call> calls;  // in order

  int count(Call call) const;
};

// The machine that the calls meet. A test starts with a fresh one.
Kernel& kernel();
void reset();

}  // namespace fake_kernel

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_FAKE_KERNEL_H_
