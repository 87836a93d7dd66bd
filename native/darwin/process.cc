#include "process.h"

#include <sys/types.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <new>

#include "darwin/host_facts.h"
#include "darwin/kernel_queries.h"
#include "parse/procargs2.h"

namespace pidentity {

namespace {

constexpr Liveness kRunning = {State::kAlive, Reason::kRunning};
constexpr Liveness kAbsent = {State::kGone, Reason::kNoSuchProcess};
constexpr Liveness kZombie = {State::kGone, Reason::kZombie};
constexpr Liveness kInvalid = {State::kGone, Reason::kInvalidPid};
constexpr Liveness kDenied = {State::kUnknown, Reason::kAccessDenied};
constexpr Liveness kUnsupported = {State::kUnknown, Reason::kUnsupported};

// How often a command line is read again because its process called exec meanwhile.
constexpr int kAttempts = 4;

// XNU's pids end at 99999 (PID_MAX), but that is no interface: nothing is refused that pid_t can
// hold. 0 is kernel_task to sysctl and the caller's own process group to kill().
bool is_valid(Pid pid) { return pid > 0 && pid <= static_cast<Pid>(INT_MAX); }

Liveness existing(bool zombie) { return zombie ? kZombie : kRunning; }

// When neither call about its state is answered, a sandbox refuses them. A taken pid may be a
// zombie.
Liveness liveness_by_signal(pid_t pid) {
  switch (ask_by_signal(pid)) {
    case Occupancy::kFree:
      return kAbsent;
    case Occupancy::kTaken:
      return kDenied;
    case Occupancy::kUnknown:
      break;
  }
  return kUnsupported;
}

Liveness liveness_of(pid_t pid) {
  const Status status = ask_status(pid);
  if (status.answer == Answer::kGiven) return existing(status.zombie);
  if (status.answer == Answer::kGone) return kAbsent;
  const Record record = ask_record(pid);
  if (record.answer == Answer::kGiven) return existing(record.zombie);
  if (record.answer == Answer::kGone) return kAbsent;
  return liveness_by_signal(pid);
}

// What tells the occupant of a pid from a later one: its unique id or, where a sandbox refuses
// that, its start time.
struct Occupant {
  std::optional<UniqueId> id = std::nullopt;
  std::optional<std::int64_t> start_time = std::nullopt;
};

enum class Presence : std::uint8_t {
  kSame,
  kSameAfterExec,  // the same process, running another program; told once for every exec
  kGone,
  kUnknown,
};

Presence presence_of(pid_t pid, Occupant& occupant) {
  if (occupant.id) {
    const UniqueId now = ask_unique_id(pid);
    if (now.answer == Answer::kGone) return Presence::kGone;
    if (now.answer != Answer::kGiven) return Presence::kUnknown;
    if (now.value != occupant.id->value) return Presence::kGone;
    if (now.program == occupant.id->program) return Presence::kSame;
    occupant.id->program = now.program;
    return Presence::kSameAfterExec;
  }
  const Record now = ask_record(pid);
  if (now.answer == Answer::kGone) return Presence::kGone;
  if (!occupant.start_time || !now.start_time) return Presence::kUnknown;
  return *now.start_time == *occupant.start_time ? Presence::kSame : Presence::kGone;
}

// Holds on to a process by its unique id. Nothing is reserved in the kernel, so there is nothing to
// let go of.
class UniqueIdWatch final : public ExitWatch {
 public:
  UniqueIdWatch(pid_t pid, const UniqueId& id) : pid_(pid), occupant_{.id = id} {}

  bool exited() override {
    switch (presence_of(pid_, occupant_)) {
      case Presence::kGone:
        return true;
      case Presence::kUnknown:
        return false;
      case Presence::kSame:
      case Presence::kSameAfterExec:
        break;
    }
    // Should this question meet a successor already, its being gone or a zombie says no less of the
    // watched process.
    const Status status = ask_status(pid_);
    return status.answer == Answer::kGone || (status.answer == Answer::kGiven && status.zombie);
  }

 private:
  pid_t pid_;
  Occupant occupant_;
};

// What reading a command line brought.
struct ArgumentsRead {
  ArgsReason reason = ArgsReason::kUnsupported;
  // kGone when the process has ended, or been replaced, meanwhile; says nothing otherwise.
  Liveness liveness = kUnsupported;
};

// EINVAL stands alike for a free pid, a zombie, a process in exit() whose memory is gone, and one
// of another user.
ArgumentsRead why_unreadable(pid_t pid, int error) {
  const Status status = ask_status(pid);
  if (status.answer == Answer::kGone) return {ArgsReason::kGone, kAbsent};
  if (status.zombie) return {ArgsReason::kGone, kZombie};
  if (status.exiting) return {ArgsReason::kGone};
  switch (error) {
    case EINVAL:
    case EPERM:
    case EACCES:
      return {ArgsReason::kAccessDenied};
    default:  // EIO: its stack is not mapped or cannot be paged in; ENOMEM: no kernel memory
      return {ArgsReason::kUnsupported};
  }
}

class DarwinProcessReader final : public ProcessReader {
 public:
  Liveness liveness(Pid pid) override {
    return is_valid(pid) ? liveness_of(static_cast<pid_t>(pid)) : kInvalid;
  }

  std::optional<std::int64_t> start_time(Pid pid) override {
    if (!is_valid(pid)) return std::nullopt;
    const Record record = ask_record(static_cast<pid_t>(pid));
    return record.zombie ? std::nullopt : record.start_time;
  }

  ArgsReason arguments(Pid pid, CommandLineSink& sink) override {
    if (!is_valid(pid)) return ArgsReason::kGone;
    const auto target = static_cast<pid_t>(pid);
    Occupant occupant;
    const UniqueId id = ask_unique_id(target);
    if (id.answer == Answer::kGone) return ArgsReason::kGone;
    if (id.answer == Answer::kGiven) {
      occupant.id = id;
    } else {
      occupant.start_time = ask_record(target).start_time;
    }
    return read_arguments(target, occupant, sink).reason;
  }

  Snapshot inspect(Pid pid, CommandLineSink* sink) override {
    if (!is_valid(pid)) return ended(kInvalid);
    const auto target = static_cast<pid_t>(pid);
    Occupant occupant;
    // The record alone is one consistent answer; only the command line has to be tied to it.
    if (sink != nullptr) {
      const UniqueId id = ask_unique_id(target);
      if (id.answer == Answer::kGone) return ended(kAbsent);
      if (id.answer == Answer::kGiven) occupant.id = id;
    }

    const Record record = ask_record(target);
    Snapshot snapshot;
    switch (record.answer) {
      case Answer::kGone:
        return ended(kAbsent);
      case Answer::kGiven:
        snapshot.liveness = existing(record.zombie);
        snapshot.start_time = record.start_time;
        if (record.start_time) {
          snapshot.started_at_ms = static_cast<double>(*record.start_time) / 1e3;
        }
        snapshot.parent = parent_of(record.parent);
        break;
      case Answer::kRefused:
      case Answer::kFailed: {
        const Status status = ask_status(target);
        if (status.answer == Answer::kGiven) {
          snapshot.liveness = existing(status.zombie);
          snapshot.parent = parent_of(status.parent);
        } else {
          snapshot.liveness = status.answer == Answer::kGone ? kAbsent : liveness_by_signal(target);
        }
      }
    }
    if (snapshot.liveness.state == State::kGone) return ended(snapshot.liveness);
    if (sink == nullptr) return snapshot;

    if (!occupant.id) occupant.start_time = record.start_time;
    const ArgumentsRead read = read_arguments(target, occupant, *sink);
    if (read.liveness.state == State::kGone) return ended(read.liveness);
    snapshot.args_reason = read.reason;
    return snapshot;
  }

  Identity identity(Pid pid) override {
    if (!is_valid(pid)) return {kInvalid, std::nullopt, std::nullopt};
    const auto target = static_cast<pid_t>(pid);
    Identity identity;
    const UniqueId id = ask_unique_id(target);
    const Record record = ask_record(target);
    identity.liveness =
        record.answer == Answer::kGiven ? existing(record.zombie) : liveness_of(target);
    // The id stood around the record: both are of one process.
    Occupant occupant{.id = id};
    if (id.answer == Answer::kGone ||
        (id.answer == Answer::kGiven && presence_of(target, occupant) == Presence::kGone)) {
      identity.liveness = kAbsent;
    }
    if (identity.liveness.state == State::kGone) return identity;
    identity.start_time = record.start_time;
    if (id.answer == Answer::kGiven) identity.exact_id = id.value;
    return identity;
  }

  // XNU finds processes by pid only.
  Liveness by_exact_id(std::uint64_t) override { return kUnsupported; }

  HostFacts host() override { return read_host_facts(); }

  std::unique_ptr<ExitWatch> watch_exit(Pid pid) override {
    if (!is_valid(pid)) return nullptr;
    const auto target = static_cast<pid_t>(pid);
    const UniqueId id = ask_unique_id(target);
    if (id.answer != Answer::kGiven) return nullptr;
    return std::unique_ptr<ExitWatch>(new (std::nothrow) UniqueIdWatch(target, id));
  }

 private:
  static Snapshot ended(Liveness liveness) {
    Snapshot snapshot;
    snapshot.liveness = liveness;
    snapshot.args_reason = ArgsReason::kGone;
    return snapshot;
  }

  // launchd's is kernel_task, 0, which is no process to us.
  static std::optional<Pid> parent_of(pid_t parent) {
    return parent > 0 ? std::optional<Pid>(static_cast<Pid>(parent)) : std::nullopt;
  }

  // The sink hears nothing before the pid was seen with the same occupant again.
  ArgumentsRead read_arguments(pid_t pid, Occupant occupant, CommandLineSink& sink) {
    if (buffer_ == nullptr) {
      // As much as there can be, at once: a buffer too short is filled with the wrong end of the
      // strings, and pages that are never touched cost nothing.
      capacity_ = ask_argument_space();
      buffer_.reset(new (std::nothrow) char[capacity_]);
      if (buffer_ == nullptr) return {ArgsReason::kUnsupported};
    }
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      std::size_t size = capacity_;
      const int error = read_argument_strings(pid, buffer_.get(), size);
      switch (presence_of(pid, occupant)) {
        case Presence::kGone:
          return {ArgsReason::kGone, kAbsent};
        case Presence::kUnknown:  // read, perhaps, but whose it is the sandbox does not tell
          return {ArgsReason::kAccessDenied};
        case Presence::kSameAfterExec:
          // The kernel notes argc and the length, then reads the stack; an exec in between makes
          // environment of what it takes for arguments.
          break;
        case Presence::kSame:
          return error == 0 ? deliver(size, sink) : why_unreadable(pid, error);
      }
    }
    return {ArgsReason::kBusy};
  }

  ArgumentsRead deliver(std::size_t size, CommandLineSink& sink) const {
    // Full means cut, or as good as: ARG_MAX counts arguments and environment, but the strings also
    // hold the path and what the kernel tells the dynamic linker.
    if (size >= capacity_) return {ArgsReason::kUnsupported};
    std::optional<Procargs2> arguments = Procargs2::parse({buffer_.get(), size});
    if (!arguments) return {ArgsReason::kUnsupported};
    sink.raw(arguments->raw());
    while (const std::optional<std::string_view> argument = arguments->next()) {
      sink.argument(*argument);
    }
    return {ArgsReason::kRead};
  }

  std::unique_ptr<char[]> buffer_;  // for the first command line that is read, then kept
  std::size_t capacity_ = 0;
};

}  // namespace

std::unique_ptr<ProcessReader> ProcessReader::create() {
  return std::unique_ptr<ProcessReader>(new (std::nothrow) DarwinProcessReader());
}

}  // namespace pidentity
