// Parser of Linux's /proc/<pid>/stat (proc_pid_stat(5), fs/proc/array.c do_task_stat). Pure: bytes
// in, numbers out, no I/O and no allocation; compiled on every platform.
#ifndef PIDENTITY_NATIVE_PARSE_PROC_STAT_H_
#define PIDENTITY_NATIVE_PARSE_PROC_STAT_H_

#include <cstdint>
#include <string_view>

namespace pidentity {

struct ProcStat {
  char state = 0;           // field 3: R S D T t Z X I ...
  std::uint32_t ppid = 0;   // field 4: 0 when there is no parent, or none visible from here
  std::uint32_t flags = 0;  // field 9: the kernel's PF_* bits
  // Field 20: threads of the process; 0 when the task was being taken off its pid meanwhile.
  std::uint32_t num_threads = 0;
  // Field 22: clock ticks since boot, the *reader's* time-namespace offset added. At most 2^53 - 1.
  std::int64_t start_time = 0;
  // Field 38: -1 names a thread that does not lead its process (the kernel's own definition,
  // thread_group_leader()); 0 when absent: sandboxed kernels leave it out.
  std::int32_t exit_signal = 0;
  // Fields 48, 49 and 51: addresses in the target. All 0 when ptrace access is denied, absent
  // before Linux 3.5; env_end is also 0 while execve() has not yet laid out the new program's
  // memory.
  std::uint64_t arg_start = 0;
  std::uint64_t arg_end = 0;
  std::uint64_t env_end = 0;

  // Bytes of the argument area; 0 when unknown. The kernel prints the two ends one after the other
  // while execve() may be setting them: an end without a start is half of that.
  std::uint64_t arg_length() const {
    return arg_start != 0 && arg_end > arg_start ? arg_end - arg_start : 0;
  }
};

enum class StatFields : std::uint8_t {
  kAll,
  kWithoutMemory,  // fields 48 to 51, of 15 digits each, keep their defaults
};

// False, with `stat` unspecified, when a field up to 22 is missing, malformed or out of its type's
// range. Later fields are optional: at the first one that is not there or not a number, the rest
// keeps its default.
bool parse_proc_stat(std::string_view line, ProcStat& stat, StatFields which = StatFields::kAll);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PARSE_PROC_STAT_H_
