#include "process.h"

#include <windows.h>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "windows/command_line.h"
#include "windows/file_time.h"
#include "windows/handle_reference.h"
#include "windows/host.h"
#include "windows/ntdll.h"
#include "windows/process_handle.h"
#include "windows/process_reader.h"
#include "windows/process_table.h"

// A handle pins its process: as long as one is open the kernel keeps the process object and does
// not hand out its pid again. Everything below asks through one handle, so its answers cannot mix
// two processes.

namespace pidentity {
namespace {

// The kernel's own process, which has no program and no command line.
constexpr Pid kSystemPid = 4;

struct ProcessTimes {
  std::int64_t created = 0;
  std::int64_t exited = 0;
};

constexpr std::int64_t to_file_time(const FILETIME& time) noexcept {
  return static_cast<std::int64_t>((std::uint64_t{time.dwHighDateTime} << 32) | time.dwLowDateTime);
}

// Frozen when the process was created; later clock steps do not change it.
std::optional<ProcessTimes> read_times(HANDLE process) noexcept {
  FILETIME created{};
  FILETIME exited{};
  FILETIME kernel{};
  FILETIME user{};
  if (!GetProcessTimes(process, &created, &exited, &kernel, &user)) return std::nullopt;
  return ProcessTimes{.created = to_file_time(created), .exited = to_file_time(exited)};
}

// The object is signalled once the last thread has ended, whatever the exit code: 259 is a code
// like any other, although GetExitCodeProcess calls it STILL_ACTIVE.
Liveness wait_for_nothing(HANDLE process) noexcept {
  switch (WaitForSingleObject(process, 0)) {
    case WAIT_OBJECT_0:
      return kExited;
    case WAIT_TIMEOUT:
      return kRunning;
    default:
      return kUnsupported;
  }
}

// Threads and processes share one number space.
Liveness absent_or_thread(Pid pid) noexcept {
  const ProcessHandle thread(OpenThread(THREAD_QUERY_LIMITED_INFORMATION, FALSE, pid));
  return thread || GetLastError() == ERROR_ACCESS_DENIED ? kThread : kAbsent;
}

// What could be opened and read for one pid.
struct Target {
  Liveness liveness = kUnsupported;
  ProcessHandle handle;             // open for queries; empty when they are denied
  ProcessHandle waitable;           // open for waiting only, when both at once were denied
  std::optional<TableEntry> entry;  // for processes that denied something
};

class WindowsProcessReader final : public ProcessReader {
 public:
  WindowsProcessReader(const ntdll::Ntdll& ntdll, OpenProcessFunction open_process) noexcept
      : ntdll_(ntdll), open_process_(open_process), command_lines_(ntdll) {}

  Liveness liveness(Pid pid) override { return open(pid).liveness; }

  std::optional<std::int64_t> start_time(Pid pid) override { return start_time_of(open(pid)); }

  ArgsReason arguments(Pid pid, CommandLineSink& sink) override {
    return arguments_of(open(pid), pid, sink);
  }

  Snapshot inspect(Pid pid, CommandLineSink* sink) override {
    const Target target = open(pid);
    Snapshot snapshot;
    snapshot.liveness = target.liveness;
    if (target.liveness.state == State::kGone) {
      snapshot.args_reason = sink == nullptr ? ArgsReason::kSkipped : ArgsReason::kGone;
      return snapshot;
    }
    snapshot.start_time = start_time_of(target);
    if (snapshot.start_time) {
      snapshot.started_at_ms = static_cast<double>(*snapshot.start_time) / 1000;
    }
    snapshot.parent = parent_of(target);
    if (sink != nullptr) snapshot.args_reason = arguments_of(target, pid, *sink);
    return snapshot;
  }

  Identity identity(Pid pid) override {
    const Target target = open(pid);
    Identity identity;
    identity.liveness = target.liveness;
    if (target.liveness.state == State::kGone) return identity;
    identity.start_time = start_time_of(target);
    identity.exact_id = sequence_number_of(target);
    return identity;
  }

  // Windows finds processes by pid only.
  Liveness by_exact_id(std::uint64_t) override { return kUnsupported; }

  HostFacts host() override { return read_host_facts(ntdll_); }

  std::unique_ptr<ProcessReference> reference(Pid pid) override {
    if (!can_be_a_pid(pid)) return nullptr;
    ProcessHandle process = open_for(SYNCHRONIZE, pid);
    if (!process) return nullptr;
    return refer_to(pid, std::move(process), *this, open_process_);
  }

  // Windows finds processes by pid only.
  std::unique_ptr<ProcessReference> reference_by_exact_id(std::uint64_t) override {
    return nullptr;
  }

  bool list(std::vector<Pid>& pids) override { return list_process_table(ntdll_, pids); }

 private:
  // Pids are multiples of four and 0 is the idle loop. OpenProcess ignores the two low bits: pid +
  // 1 would open pid.
  static constexpr bool can_be_a_pid(Pid pid) noexcept { return pid != 0 && pid % 4 == 0; }

  Target open(Pid pid) noexcept {
    Target target;
    if (!can_be_a_pid(pid)) {
      target.liveness = kInvalid;
      return target;
    }
    target.handle = open_for(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, pid);
    if (target.handle) {
      target.liveness = wait_for_nothing(target.handle.get());
      return target;
    }
    if (GetLastError() == ERROR_ACCESS_DENIED) {
      // Each right alone is worth having, and either handle pins the process for what follows.
      target.handle = open_for(PROCESS_QUERY_LIMITED_INFORMATION, pid);
      target.waitable = open_for(SYNCHRONIZE, pid);
      if (target.waitable) {
        target.liveness = wait_for_nothing(target.waitable.get());
        if (target.liveness.state != State::kGone) target.entry = look_up(pid);
        return target;
      }
    }
    const DWORD error = GetLastError();
    if (error == ERROR_INVALID_PARAMETER) {
      target.liveness = absent_or_thread(pid);
    } else if (error == ERROR_ACCESS_DENIED) {
      decide_without_waiting(pid, target);
    }
    return target;
  }

  ProcessHandle open_for(DWORD access, Pid pid) const noexcept {
    return ProcessHandle(open_process_(access, FALSE, pid));
  }

  std::optional<TableEntry> look_up(Pid pid) const noexcept {
    return look_up_in_process_table(ntdll_, pid);
  }

  // Denied is neither alive nor dead: a process that has exited is denied just as well while a
  // handle to it is open. The process table needs no rights.
  void decide_without_waiting(Pid pid, Target& target) const noexcept {
    target.liveness = kDenied;
    target.entry = look_up(pid);
    // An unlisted process stays unknown: sandboxes and containers see a part of the table only.
    if (!target.entry) return;
    // Running threads prove life. Without any the process is being made, is one of the kernel's
    // own, or is over; the time of its end tells the last case.
    if (target.entry->thread_count > 0) {
      target.liveness = kRunning;
    } else if (target.handle) {
      const auto times = read_times(target.handle.get());
      if (times && times->exited != 0) target.liveness = kExited;
    }
  }

  static std::optional<std::int64_t> start_time_of(const Target& target) noexcept {
    if (target.liveness.state == State::kGone) return std::nullopt;
    if (target.handle) {
      if (const auto times = read_times(target.handle.get())) {
        return unix_microseconds(times->created);
      }
    }
    if (target.entry) return unix_microseconds(target.entry->create_time);
    return std::nullopt;
  }

  // The process that created it. Nothing keeps that pid from being reused once the parent is gone,
  // so it may name a younger process; Windows has no re-parenting.
  std::optional<Pid> parent_of(const Target& target) const noexcept {
    std::uint64_t parent = 0;
    ntdll::BasicInformation basic{};
    if (target.handle &&
        ntdll::succeeded(ntdll_.query_process(target.handle.get(), ntdll::ProcessInfo::kBasic,
                                              &basic, sizeof basic, nullptr))) {
      parent = basic.inherited_from_pid;
    } else if (target.entry) {
      parent = target.entry->parent;
    }
    if (parent == 0 || parent > UINT32_MAX) return std::nullopt;
    return static_cast<Pid>(parent);
  }

  std::optional<std::uint64_t> sequence_number_of(const Target& target) noexcept {
    if (!target.handle || no_sequence_numbers_) return std::nullopt;
    std::uint64_t number = 0;
    const ntdll::Status status = ntdll_.query_process(
        target.handle.get(), ntdll::ProcessInfo::kSequenceNumber, &number, sizeof number, nullptr);
    no_sequence_numbers_ = ntdll::lacks_class(status);
    if (!ntdll::succeeded(status) || number == 0) return std::nullopt;
    return number;
  }

  ArgsReason arguments_of(const Target& target, Pid pid, CommandLineSink& sink) noexcept {
    if (target.liveness.state == State::kGone) return ArgsReason::kGone;
    if (pid == kSystemPid) {
      sink.raw(std::u16string_view());
      return ArgsReason::kRead;
    }
    if (!target.handle) {
      return target.liveness.reason == Reason::kUnsupported ? ArgsReason::kUnsupported
                                                            : ArgsReason::kAccessDenied;
    }
    const ArgsReason reason = command_lines_.read(target.handle.get(), pid, sink);
    // The memory of a process that ends meanwhile fails to be read in many ways.
    const bool failed = reason != ArgsReason::kRead && reason != ArgsReason::kGone;
    const HANDLE waitable = target.waitable ? target.waitable.get() : target.handle.get();
    if (failed && WaitForSingleObject(waitable, 0) == WAIT_OBJECT_0) {
      return ArgsReason::kGone;
    }
    return reason;
  }

  ntdll::Ntdll ntdll_;
  OpenProcessFunction open_process_;
  CommandLineReader command_lines_;
  // Set once the system says that it does not know the information class.
  bool no_sequence_numbers_ = false;
};

}  // namespace

std::unique_ptr<ProcessReader> create_process_reader(const ntdll::Ntdll& ntdll,
                                                     OpenProcessFunction open_process) {
  return std::unique_ptr<ProcessReader>(new (std::nothrow)
                                            WindowsProcessReader(ntdll, open_process));
}

std::unique_ptr<ProcessReader> ProcessReader::create() {
  return create_process_reader(ntdll::Ntdll::resolve(), ::OpenProcess);
}

}  // namespace pidentity
