#include "linux/arguments.h"

#include <cerrno>
#include <cstddef>
#include <string_view>

#include "linux/task_stat.h"
#include "parse/cmdline.h"

namespace pidentity {
namespace {

// include/linux/sched.h
constexpr std::uint32_t kFlagExiting = 0x00000004;
constexpr std::uint32_t kFlagKernelThread = 0x00200000;

bool same_memory(const ProcStat& a, const ProcStat& b) {
  return a.arg_start == b.arg_start && a.arg_end == b.arg_end && a.env_end == b.env_end;
}

}  // namespace

ArgsReason args_reason_of(int error) {
  switch (error) {
    case ENOENT:
    case ESRCH:  // gone, or hidden by hidepid=2: the last question tells which
    case EACCES:
    case EPERM:
      return ArgsReason::kAccessDenied;
    case EAGAIN:
      return ArgsReason::kBusy;
    default:
      return ArgsReason::kUnsupported;
  }
}

ArgsReason read_arguments(const ProcDirectory& directory, ProcStat& stat, ByteBuffer& buffer) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    buffer.set_size(0);
    if ((stat.flags & kFlagKernelThread) != 0) return ArgsReason::kRead;
    // An exited leader's memory is gone from its own /proc entry.
    if (has_exited_leader(stat)) return ArgsReason::kRead;
    // Reading takes the target's memory lock, on which the target itself may be stuck.
    if (stat.state == 'D') return ArgsReason::kBusy;

    const std::uint64_t length = stat.arg_length();
    if (const int error = directory.read_command_line(length, buffer)) {
      return args_reason_of(error);
    }
    const std::size_t size = buffer.bytes().size();
    if (size > 0 && (size == length || length == 0)) return ArgsReason::kRead;

    // Another length than announced, or nothing at all: a rewritten title, or an execve() between
    // the two reads or under way (fs/proc/base.c: empty until the new program's env_end is set).
    ProcStat again;
    if (const int error = read_settled_stat(directory, again)) return args_reason_of(error);
    const bool same = same_memory(stat, again);
    stat = again;
    if (!same) continue;
    if (size > 0) return ArgsReason::kRead;
    if ((stat.flags & kFlagExiting) != 0 && stat.num_threads <= 1) return ArgsReason::kGone;
    // Executed without any argument (possible until Linux 5.18).
    if (stat.env_end != 0 && length == 0) return ArgsReason::kRead;
  }
  return ArgsReason::kBusy;
}

void deliver_arguments(ByteBuffer& buffer, std::uint64_t area_length, CommandLineSink& sink) {
  CommandLine command_line(buffer.bytes(), area_length);
  sink.raw(command_line.raw());
  std::string_view argument;
  while (command_line.next(argument)) sink.argument(argument);
}

}  // namespace pidentity
