// Processes on Linux and Android: /proc for the facts, pidfds for "has it exited" and for the exact
// id.
//
// All facts of an answer are of one process. Those of /proc are, because every file is opened
// before the first one is read (ProcDirectory::open), and what reads as running is not asked about
// again: a pidfd costs as much as reading another file. Everything else (it may have
// ended, be a thread, be hidden) and every exact id is looked at through a pidfd, opened before the
// first fact and asked after the last one whether its process has exited: if not, its number cannot
// have been given to another one in between. Where a sandbox refuses pidfds, /proc is asked
// last instead.
//
// A reference is a pidfd that is kept.
#include "process.h"

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "linux/arguments.h"
#include "linux/byte_buffer.h"
#include "linux/exact_id.h"
#include "linux/file_descriptor.h"
#include "linux/host_facts.h"
#include "linux/liveness.h"
#include "linux/own_namespaces.h"
#include "linux/pidfd.h"
#include "linux/proc_fs.h"
#include "linux/start_time.h"
#include "linux/task_stat.h"
#include "parse/proc_stat.h"

namespace pidentity {
namespace {

// What one look at a process brought.
struct Observation {
  Liveness liveness;
  std::optional<ProcStat> stat;  // only of a process that is not gone
  ArgsReason args = ArgsReason::kSkipped;
};

class LinuxProcessReader;

class PidfdReference final : public ProcessReference {
 public:
  // `pid` 0: its number here is not known.
  PidfdReference(LinuxProcessReader& reader, Pid pid, FileDescriptor pidfd)
      : reader_(reader), pid_(pid), pidfd_(std::move(pidfd)) {}

  bool exited() override { return pidfd_exited(pidfd_.get()).value_or(false); }
  Identity identity() override;
  Delivery signal(int number) override { return pidfd_signal(pidfd_.get(), number); }

 private:
  LinuxProcessReader& reader_;
  Pid pid_;
  FileDescriptor pidfd_;
};

class LinuxProcessReader final : public ProcessReader {
 public:
  LinuxProcessReader() : liveness_(own_) {}
  // liveness_ refers to own_.
  LinuxProcessReader(const LinuxProcessReader&) = delete;
  LinuxProcessReader& operator=(const LinuxProcessReader&) = delete;

  Liveness liveness(Pid pid) override {
    FileDescriptor pidfd;
    const Liveness opened = liveness_.open_process(pid, pidfd);
    if (opened.state == State::kGone) return opened;
    if (pidfd) {
      if (const std::optional<Liveness> answer = pidfd_liveness(pidfd.get())) return *answer;
    }
    return look_closely(pid, nullptr).liveness;
  }

  std::optional<std::int64_t> start_time(Pid pid) override {
    if (!is_valid_pid(pid) || !own_.get().proc_is_ours) return std::nullopt;
    ProcDirectory directory(pid);
    ProcStat stat;
    if (directory.open(false) != 0 ||
        liveness_.read_leader_stat(pid, directory, stat, StatFields::kWithoutMemory) != 0 ||
        is_zombie(stat)) {
      return std::nullopt;
    }
    return start_time_of(stat, own_);
  }

  ArgsReason arguments(Pid pid, CommandLineSink& sink) override {
    ByteBuffer buffer;
    const Observation seen = observe(pid, &buffer);
    if (seen.args == ArgsReason::kRead && seen.stat) {
      deliver_arguments(buffer, seen.stat->arg_length(), sink);
    }
    return seen.args;
  }

  Snapshot inspect(Pid pid, CommandLineSink* sink) override {
    ByteBuffer buffer;
    const Observation seen = observe(pid, sink != nullptr ? &buffer : nullptr);
    Snapshot snapshot;
    snapshot.liveness = seen.liveness;
    snapshot.args_reason = seen.args;
    if (!seen.stat) return snapshot;
    snapshot.start_time = start_time_of(*seen.stat, own_);
    snapshot.started_at_ms = started_at_ms(*seen.stat, own_.ticks_per_second());
    if (seen.stat->ppid != 0) snapshot.parent = seen.stat->ppid;
    if (seen.args == ArgsReason::kRead) deliver_arguments(buffer, seen.stat->arg_length(), *sink);
    return snapshot;
  }

  Identity identity(Pid pid) override {
    FileDescriptor pidfd;
    const Liveness opened = liveness_.open_process(pid, pidfd);
    return identity_through(pid, opened, pidfd);
  }

  // `pidfd`: of the process that has the pid; empty: none is to be had.
  Identity identity_through(Pid pid, const Liveness& opened, const FileDescriptor& pidfd) {
    const Observation seen = look_through(pid, nullptr, opened, pidfd);
    Identity identity;
    identity.liveness = seen.liveness;
    if (seen.liveness.state == State::kGone) return identity;
    if (seen.stat) identity.start_time = start_time_of(*seen.stat, own_);
    if (pidfd) identity.exact_id = exact_ids_.of(pidfd.get());
    return identity;
  }

  // The same where its number here is not known.
  Identity identity_of(const FileDescriptor& pidfd) {
    Identity identity;
    identity.liveness = pidfd_liveness(pidfd.get()).value_or(kDenied);
    if (identity.liveness.state != State::kGone) identity.exact_id = exact_ids_.of(pidfd.get());
    return identity;
  }

  Liveness by_exact_id(std::uint64_t wanted) override { return exact_ids_.look_up(wanted, own_); }

  HostFacts host() override {
    const Namespaces& facts = own_.get();
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

  std::unique_ptr<ProcessReference> reference(Pid pid) override {
    FileDescriptor pidfd;
    liveness_.open_process(pid, pidfd);
    return refer_to(pid, std::move(pidfd));
  }

  std::unique_ptr<ProcessReference> reference_by_exact_id(std::uint64_t wanted) override {
    FileDescriptor pidfd;
    exact_ids_.open(wanted, pidfd);
    return refer_to(0, std::move(pidfd));
  }

  bool list(std::vector<Pid>& pids) override {
    return own_.get().proc_is_ours && list_proc(pids) == 0;
  }

 private:
  // Reads stat and, when `buffer` is given, the command line.
  Observation observe(Pid pid, ByteBuffer* buffer) {
    Observation seen;
    if (see_running(pid, buffer, seen)) return seen;
    return look_closely(pid, buffer);
  }

  // False when the process is not plainly running or something could not be read.
  bool see_running(Pid pid, ByteBuffer* buffer, Observation& seen) {
    if (!is_valid_pid(pid) || !own_.get().proc_is_ours || is_absent(pid)) return false;
    ProcDirectory directory(pid);
    ProcStat& stat = seen.stat.emplace();
    if (directory.open(buffer != nullptr) != 0 ||
        liveness_.read_leader_stat(pid, directory, stat, fields_for(buffer)) != 0) {
      return false;
    }
    if (buffer != nullptr) {
      seen.args = read_arguments(directory, stat, *buffer);
      if (seen.args != ArgsReason::kRead && seen.args != ArgsReason::kBusy) return false;
    }
    seen.liveness = kRunning;
    return !is_zombie(stat);
  }

  // The same for a process in any state.
  Observation look_closely(Pid pid, ByteBuffer* buffer) {
    FileDescriptor pidfd;
    const Liveness opened = liveness_.open_process(pid, pidfd);
    return look_through(pid, buffer, opened, pidfd);
  }

  // `opened`: the answer of open_process().
  Observation look_through(Pid pid, ByteBuffer* buffer, const Liveness& opened,
                           const FileDescriptor& pidfd) {
    Observation seen;
    seen.liveness = opened;
    if (seen.liveness.state != State::kGone) {
      int error = ENOSYS;
      ProcDirectory directory(pid);
      if (own_.get().proc_is_ours) {
        error = directory.open(buffer != nullptr);
        if (error == 0) {
          ProcStat& stat = seen.stat.emplace();
          const StatFields fields = fields_for(buffer);
          error = pidfd ? read_settled_stat(directory, stat, fields)
                        : liveness_.read_leader_stat(pid, directory, stat, fields);
        }
        if (error != 0) seen.stat.reset();
      }
      if (buffer != nullptr) {
        seen.args =
            seen.stat ? read_arguments(directory, *seen.stat, *buffer) : args_reason_of(error);
      }
      seen.liveness = pidfd ? liveness_by_pidfd(pidfd.get(), seen)
                            : liveness_.by_proc(pid, directory, seen.stat ? &*seen.stat : nullptr);
    }
    if (seen.liveness.state == State::kGone) {
      seen.stat.reset();
      seen.args = ArgsReason::kGone;
    } else if (seen.liveness.reason == Reason::kUnsupported && buffer != nullptr) {
      seen.args = ArgsReason::kUnsupported;
    }
    return seen;
  }

  // Where the arguments are is only asked when they are read.
  static StatFields fields_for(const ByteBuffer* buffer) {
    return buffer != nullptr ? StatFields::kAll : StatFields::kWithoutMemory;
  }

  static Liveness liveness_by_pidfd(int pidfd, const Observation& seen) {
    if (const std::optional<Liveness> answer = pidfd_liveness(pidfd)) return *answer;
    if (!seen.stat) return kDenied;
    return is_zombie(*seen.stat) ? kZombie : kRunning;
  }

  std::unique_ptr<ProcessReference> refer_to(Pid pid, FileDescriptor pidfd) {
    if (!pidfd) return nullptr;
    return std::unique_ptr<ProcessReference>(new (std::nothrow)
                                                 PidfdReference(*this, pid, std::move(pidfd)));
  }

  OwnNamespaces own_;
  LivenessReader liveness_;
  ExactIds exact_ids_;
};

Identity PidfdReference::identity() {
  return pid_ == 0 ? reader_.identity_of(pidfd_) : reader_.identity_through(pid_, kRunning, pidfd_);
}

}  // namespace

std::unique_ptr<ProcessReader> ProcessReader::create() {
  return std::unique_ptr<ProcessReader>(new (std::nothrow) LinuxProcessReader());
}

}  // namespace pidentity
