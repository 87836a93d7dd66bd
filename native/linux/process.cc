// Processes on Linux and Android: /proc for the facts, pidfds for "has it exited" and for the exact
// id.
//
// All facts of an answer are of one process. Those of /proc are, because every file is opened
// before the first one is read (ProcDirectory::open), and what reads as running needs no other
// witness: a pidfd of its own costs as much as reading another file. Everything else (it may have
// ended, be a thread, be hidden) and every exact id is looked at through a pidfd, opened before the
// first fact and asked after the last one whether its process has exited: if not, its number cannot
// have been given to another one in between. Where a sandbox refuses pidfds, /proc has the last
// word as well.
#include "process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <new>

#include "linux/byte_buffer.h"
#include "linux/file_descriptor.h"
#include "linux/host_facts.h"
#include "linux/pidfd.h"
#include "linux/proc_fs.h"
#include "linux/signal_probe.h"
#include "parse/cmdline.h"
#include "parse/proc_stat.h"
#include "posix/read_clock.h"

namespace pidentity {
namespace {

constexpr Pid kMaxPid = 1U << 22;  // include/linux/threads.h PID_MAX_LIMIT
constexpr Pid kInit = 1;

// include/linux/sched.h
constexpr std::uint32_t kFlagExiting = 0x00000004;
constexpr std::uint32_t kFlagKernelThread = 0x00200000;

// How often a read that met a process in the middle of execve() or of being reaped is repeated.
constexpr int kAttempts = 4;

constexpr Liveness kRunning = {State::kAlive, Reason::kRunning};
constexpr Liveness kAbsent = {State::kGone, Reason::kNoSuchProcess};
constexpr Liveness kZombie = {State::kGone, Reason::kZombie};
constexpr Liveness kThread = {State::kGone, Reason::kThreadId};
constexpr Liveness kInvalid = {State::kGone, Reason::kInvalidPid};
// It exists, but nothing here can tell a running process from a zombie.
constexpr Liveness kDenied = {State::kUnknown, Reason::kAccessDenied};
constexpr Liveness kUnsupported = {State::kUnknown, Reason::kUnsupported};

bool is_valid(Pid pid) { return pid > 0 && pid <= kMaxPid; }

bool has_exited_leader(const ProcStat& stat) { return stat.state == 'Z' || stat.state == 'X'; }

// A zombie leader whose other threads still run is a living process.
bool is_zombie(const ProcStat& stat) { return has_exited_leader(stat) && stat.num_threads <= 1; }

bool same_memory(const ProcStat& a, const ProcStat& b) {
  return a.arg_start == b.arg_start && a.arg_end == b.arg_end && a.env_end == b.env_end;
}

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

// Reads the stat of the task that holds the number now. When a thread other than the leader calls
// execve(), it takes over the leader's number (fs/exec.c de_thread), and a reader that came just
// before still gets the old leader: dead (X), or with no thread count. Such a line says nothing
// about the process.
int read_settled_stat(const ProcDirectory& directory, ProcStat& stat) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (const int error = directory.read_stat(stat)) return error;
    if (!has_exited_leader(stat) || (stat.state == 'Z' && stat.num_threads > 0)) return 0;
  }
  return EAGAIN;
}

// Reads the command line that belongs to `stat`, which is read again where the two do not match.
ArgsReason read_args(const ProcDirectory& directory, ProcStat& stat, ByteBuffer& buffer) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
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

// True only when nothing has this number: said ten times as fast as by failing to open a file of
// /proc. getpriority(2) answers about everybody's processes and asks no security module, whose
// refusal an audit log would show.
bool is_absent(Pid pid) {
  errno = 0;
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) == -1 && errno == ESRCH;
}

void deliver(ByteBuffer& buffer, std::uint64_t area_length, CommandLineSink& sink) {
  CommandLine command_line(buffer.bytes(), area_length);
  sink.raw(command_line.raw());
  std::string_view argument;
  while (command_line.next(argument)) sink.argument(argument);
}

class PidfdWatch final : public ExitWatch {
 public:
  explicit PidfdWatch(FileDescriptor pidfd) : pidfd_(std::move(pidfd)) {}
  bool exited() override { return pidfd_exited(pidfd_.get()).value_or(false); }

 private:
  FileDescriptor pidfd_;
};

// What one look at a process brought.
struct Observation {
  Liveness liveness;
  std::optional<ProcStat> stat;  // only of a process that is not gone
  ArgsReason args = ArgsReason::kSkipped;
  FileDescriptor pidfd;
};

class LinuxProcessReader final : public ProcessReader {
 public:
  LinuxProcessReader() {
    const long ticks = ::sysconf(_SC_CLK_TCK);
    if (ticks > 0) ticks_per_second_ = static_cast<double>(ticks);
  }

  Liveness liveness(Pid pid) override {
    FileDescriptor pidfd;
    const Liveness opened = open_process(pid, pidfd);
    if (!pidfd)
      return opened.state == State::kUnknown ? look_closely(pid, nullptr).liveness : opened;
    if (const std::optional<bool> exited = pidfd_exited(pidfd.get())) {
      return *exited ? ended(pidfd.get()) : kRunning;
    }
    return look_closely(pid, nullptr).liveness;
  }

  std::optional<std::int64_t> start_time(Pid pid) override {
    if (!is_valid(pid) || !surroundings().proc_is_ours) return std::nullopt;
    ProcDirectory directory(pid);
    ProcStat stat;
    if (directory.open(false) != 0 || read_leader_stat(pid, directory, stat) != 0 ||
        is_zombie(stat)) {
      return std::nullopt;
    }
    return start_time_of(stat);
  }

  ArgsReason arguments(Pid pid, CommandLineSink& sink) override {
    ByteBuffer buffer;
    const Observation seen = observe(pid, &buffer);
    if (seen.args == ArgsReason::kRead && seen.stat) deliver(buffer, seen.stat->arg_length(), sink);
    return seen.args;
  }

  Snapshot inspect(Pid pid, CommandLineSink* sink) override {
    ByteBuffer buffer;
    const Observation seen = observe(pid, sink != nullptr ? &buffer : nullptr);
    Snapshot snapshot;
    snapshot.liveness = seen.liveness;
    snapshot.args_reason = seen.args;
    if (!seen.stat) return snapshot;
    snapshot.start_time = start_time_of(*seen.stat);
    snapshot.started_at_ms = started_at_ms(*seen.stat);
    if (seen.stat->ppid != 0) snapshot.parent = seen.stat->ppid;
    if (seen.args == ArgsReason::kRead) deliver(buffer, seen.stat->arg_length(), *sink);
    return snapshot;
  }

  Identity identity(Pid pid) override {
    const Observation seen = look_closely(pid, nullptr);
    Identity identity;
    identity.liveness = seen.liveness;
    if (seen.liveness.state == State::kGone) return identity;
    if (seen.stat) identity.start_time = start_time_of(*seen.stat);
    if (seen.pidfd) identity.exact_id = exact_id(seen.pidfd.get());
    return identity;
  }

  Liveness by_exact_id(std::uint64_t wanted) override {
    FileDescriptor mount;
    if (::pidentity::pidfd_open(kInit, mount) != 0) return kUnsupported;
    FileDescriptor pidfd;
    const int error = pidfd_open_by_inode(mount.get(), wanted, pidfd);
    if (error == 0) {
      // Anything else would be a file of another file system.
      if (exact_id(pidfd.get()) != wanted) return kUnsupported;
      const std::optional<bool> exited = pidfd_exited(pidfd.get());
      if (!exited) return kDenied;
      return *exited ? ended(pidfd.get()) : kRunning;
    }
    // Not found is a proof only where every process is visible and finding works.
    if (error != ESTALE || !surroundings().initial_pid_namespace) return kUnsupported;
    return can_look_up_by_inode(mount.get()) ? kAbsent : kUnsupported;
  }

  HostFacts host() override {
    const Surroundings& facts = surroundings();
    HostFacts host;
    host.machine_id = read_machine_id();
    host.boot_id = read_boot_id();
    if (facts.pid_namespace != 0) host.pid_namespace = std::to_string(facts.pid_namespace);
    host.initial_pid_namespace = facts.initial_pid_namespace;
    if (facts.time_offsets_known) {
      host.start_time_offset = facts.boot_time_offset_ticks;
      host.monotonic_offset_ms = facts.monotonic_offset_ms;
    }
    return host;
  }

  std::unique_ptr<ExitWatch> watch_exit(Pid pid) override {
    FileDescriptor pidfd;
    open_process(pid, pidfd);
    if (!pidfd) return nullptr;
    return std::unique_ptr<ExitWatch>(new (std::nothrow) PidfdWatch(std::move(pidfd)));
  }

 private:
  const Surroundings& surroundings() {
    if (!surroundings_) surroundings_ = read_surroundings(ticks_per_second_);
    return *surroundings_;
  }

  // Opens a pidfd. Without one the answer is final when it says gone; otherwise kDenied stands for
  // "exists" and kUnsupported for "who knows".
  Liveness open_process(Pid pid, FileDescriptor& pidfd) {
    if (!is_valid(pid)) return kInvalid;
    if (!pidfds_refused_) {
      switch (::pidentity::pidfd_open(pid, pidfd)) {
        case 0:
          return kRunning;
        case ESRCH:
          return kAbsent;
        case ENOSYS:  // before Linux 5.3, or a sandbox
        case EPERM:   // a sandbox
          pidfds_refused_ = true;
          break;
        default:  // a thread's id, or no descriptor to be had just now
          break;
      }
    }
    return liveness_by_signal(pid);
  }

  // Never better than kDenied: a zombie answers signals like a running process.
  Liveness liveness_by_signal(Pid pid) {
    switch (signals_.probe(pid)) {
      case Occupant::kNone:
        return kAbsent;
      case Occupant::kThread:
        return kThread;
      case Occupant::kProcess:
        return kDenied;
      case Occupant::kEither:
        return is_thread_by_proc(pid) ? kThread : kDenied;
      case Occupant::kUnknown:
        break;
    }
    return kUnsupported;
  }

  bool is_thread_by_proc(Pid pid) {
    return surroundings().proc_is_ours && ProcDirectory(pid).thread_group().value_or(pid) != pid;
  }

  // A process whose pidfd says that it has exited.
  static Liveness ended(int pidfd) { return pidfd_is_zombie(pidfd) ? kZombie : kAbsent; }

  // Reads stat and, when `buffer` is given, the command line.
  Observation observe(Pid pid, ByteBuffer* buffer) {
    Observation seen;
    if (see_running(pid, buffer, seen)) return seen;
    return look_closely(pid, buffer);
  }

  // False when the process is not plainly running or something could not be read.
  bool see_running(Pid pid, ByteBuffer* buffer, Observation& seen) {
    if (!is_valid(pid) || !surroundings().proc_is_ours || is_absent(pid)) return false;
    ProcDirectory directory(pid);
    ProcStat& stat = seen.stat.emplace();
    if (directory.open(buffer != nullptr) != 0 || read_leader_stat(pid, directory, stat) != 0) {
      return false;
    }
    if (buffer != nullptr) {
      seen.args = read_args(directory, stat, *buffer);
      if (seen.args != ArgsReason::kRead && seen.args != ArgsReason::kBusy) return false;
    }
    seen.liveness = kRunning;
    return !is_zombie(stat);
  }

  // The same for a process in whatever state, and the only one that brings a pidfd.
  Observation look_closely(Pid pid, ByteBuffer* buffer) {
    Observation seen;
    seen.liveness = open_process(pid, seen.pidfd);
    if (seen.liveness.state != State::kGone) {
      int error = ENOSYS;
      ProcDirectory directory(pid);
      if (surroundings().proc_is_ours) {
        error = directory.open(buffer != nullptr);
        if (error == 0) {
          ProcStat& stat = seen.stat.emplace();
          error = seen.pidfd ? read_settled_stat(directory, stat)
                             : read_leader_stat(pid, directory, stat);
        }
        if (error != 0) seen.stat.reset();
      }
      if (buffer != nullptr) {
        seen.args = seen.stat ? read_args(directory, *seen.stat, *buffer) : args_reason_of(error);
      }
      seen.liveness = seen.pidfd ? liveness_by_pidfd(seen) : liveness_by_proc(pid, directory, seen);
    }
    if (seen.liveness.state == State::kGone) {
      seen.stat.reset();
      seen.args = ArgsReason::kGone;
    } else if (seen.liveness.reason == Reason::kUnsupported && buffer != nullptr) {
      seen.args = ArgsReason::kUnsupported;
    }
    return seen;
  }

  static Liveness liveness_by_pidfd(const Observation& seen) {
    if (const std::optional<bool> exited = pidfd_exited(seen.pidfd.get())) {
      return *exited ? ended(seen.pidfd.get()) : kRunning;
    }
    if (!seen.stat) return kDenied;
    return is_zombie(*seen.stat) ? kZombie : kRunning;
  }

  Liveness liveness_by_proc(Pid pid, const ProcDirectory& directory, const Observation& seen) {
    ProcStat last;
    if (seen.stat && read_leader_stat(pid, directory, last) == 0) {
      return is_zombie(last) ? kZombie : kRunning;
    }
    // Not found is no proof: /proc may hide it. That it still exists makes it one of somebody else.
    return liveness_by_signal(pid);
  }

  // read_settled_stat() of a number that may also name a thread, since /proc/<tid> exists for every
  // one: EINVAL when it does.
  int read_leader_stat(Pid pid, const ProcDirectory& directory, ProcStat& stat) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (const int error = read_settled_stat(directory, stat)) return error;
      if (stat.exit_signal > 0) return 0;
      // 0: a leader cloned without a signal, or a kernel that leaves the field out. -1: a thread,
      // or the old leader during an execve() as above.
      const Occupant occupant = signals_.probe(pid);
      const bool unsure = occupant == Occupant::kEither || occupant == Occupant::kUnknown;
      if (occupant == Occupant::kThread || (unsure && is_thread_by_proc(pid))) return EINVAL;
      if (stat.exit_signal == 0) return 0;
    }
    return EAGAIN;
  }

  // As our own time namespace sees it. The kernel adds the namespace's offset unsigned: a process
  // started before the namespace's zero is shown near 2^64 ns.
  double seen_start_ticks(const ProcStat& stat) const {
    const double wrap = 0x1p64 / 1e9 * ticks_per_second_;
    const auto ticks = static_cast<double>(stat.start_time);
    return ticks > wrap / 2 ? ticks - wrap : ticks;
  }

  std::optional<std::int64_t> start_time_of(const ProcStat& stat) {
    const Surroundings& facts = surroundings();
    if (!facts.time_offsets_known) return std::nullopt;
    const double host_ticks = std::floor(seen_start_ticks(stat) - facts.boot_time_offset_ticks);
    return static_cast<std::int64_t>(std::max(0.0, host_ticks));
  }

  // Both the start time and CLOCK_BOOTTIME are those that our time namespace sees.
  std::optional<double> started_at_ms(const ProcStat& stat) const {
    const std::optional<double> since_boot = read_clock_ms(CLOCK_BOOTTIME);
    const std::optional<double> now = read_clock_ms(CLOCK_REALTIME);
    if (!since_boot || !now) return std::nullopt;
    return *now - (*since_boot - seen_start_ticks(stat) * 1e3 / ticks_per_second_);
  }

  std::optional<std::uint64_t> exact_id(int pidfd) {
    if (!have_exact_ids_) have_exact_ids_ = pidfd_has_own_inode(pidfd);
    return *have_exact_ids_ ? pidfd_inode(pidfd) : std::nullopt;
  }

  // Before Linux 6.14 every look-up fails with ESTALE. Tried once on this process, through init's
  // pidfd and with none of its own open, so that it also shows that being found does not depend on
  // one.
  bool can_look_up_by_inode(int mount) {
    if (!can_look_up_by_inode_) {
      std::optional<std::uint64_t> own;
      {
        FileDescriptor pidfd;
        if (::pidentity::pidfd_open(static_cast<Pid>(::getpid()), pidfd) != 0) return false;
        own = exact_id(pidfd.get());
      }
      FileDescriptor found;
      can_look_up_by_inode_ =
          own && pidfd_open_by_inode(mount, *own, found) == 0 && exact_id(found.get()) == own;
    }
    return *can_look_up_by_inode_;
  }

  double ticks_per_second_ = 100;  // USER_HZ on every architecture of Node
  bool pidfds_refused_ = false;
  SignalProbe signals_;
  std::optional<Surroundings> surroundings_;
  std::optional<bool> have_exact_ids_;
  std::optional<bool> can_look_up_by_inode_;
};

}  // namespace

std::unique_ptr<ProcessReader> ProcessReader::create() {
  return std::unique_ptr<ProcessReader>(new (std::nothrow) LinuxProcessReader());
}

}  // namespace pidentity
