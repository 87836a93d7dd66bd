#include "process.h"

#include <sys/types.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "darwin/arguments.h"
#include "darwin/host_facts.h"
#include "darwin/kernel_queries.h"
#include "darwin/same_process.h"

namespace pidentity {

namespace {

// XNU's pids end at 99999 (PID_MAX), but that is no interface: nothing is refused that pid_t can
// hold. 0 is kernel_task to sysctl and the caller's own process group to kill().
bool is_valid(Pid pid) { return pid > 0 && pid <= static_cast<Pid>(INT_MAX); }

Liveness existing(bool zombie) { return zombie ? kZombie : kRunning; }

// When neither call about its state is answered, a sandbox refuses them. A taken pid may be a
// zombie.
Liveness liveness_by_signal(pid_t pid) {
  switch (ask_by_signal(pid)) {
    case PidUse::kFree:
      return kAbsent;
    case PidUse::kTaken:
      return kDenied;
    case PidUse::kUnknown:
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

// Keeps a process's unique id. Nothing is reserved in the kernel, so there is nothing to release.
class UniqueIdReference final : public ProcessReference {
 public:
  UniqueIdReference(ProcessReader& reader, pid_t pid, const UniqueId& id)
      : reader_(reader), pid_(pid), known_{.id = id} {}

  bool exited() override {
    switch (presence_of(pid_, known_)) {
      case Presence::kGone:
        return true;
      case Presence::kUnknown:
        return false;
      case Presence::kSame:
      case Presence::kSameAfterExec:
        break;
    }
    // Where a later process has the pid by now, the watched one has exited: gone and zombie are
    // then right, too, and a running one is told apart by the next call.
    const Status status = ask_status(pid_);
    return status.answer == Answer::kGone || (status.answer == Answer::kGiven && status.zombie);
  }

  Identity identity() override {
    const Identity identity = reader_.identity(static_cast<Pid>(pid_));
    if (identity.liveness.state == State::kGone) return identity;
    // Nothing says whose facts these are.
    if (!identity.exact_id) return {kUnsupported, std::nullopt, std::nullopt};
    // A later process has the pid by now.
    if (*identity.exact_id != known_.id->value) return {kAbsent, std::nullopt, std::nullopt};
    return identity;
  }

  // XNU signals by pid only. A process that ends and is reaped, and whose pid is given to another
  // one between the look and the call (pids are given in turn, 99 999 of them), would leave the
  // signal to that one.
  Delivery signal(int number) override {
    if (exited()) return Delivery::kGone;
    if (presence_of(pid_, known_) == Presence::kUnknown) return Delivery::kUnsupported;
    switch (send_signal(pid_, number)) {
      case 0:
        return is_replaced() ? Delivery::kGone : Delivery::kSent;
      case ESRCH:
        return Delivery::kGone;
      case EPERM:
        return is_replaced() ? Delivery::kGone : Delivery::kAccessDenied;
      default:
        return Delivery::kUnsupported;
    }
  }

 private:
  bool is_replaced() {
    const UniqueId now = ask_unique_id(pid_);
    return now.answer == Answer::kGiven && now.value != known_.id->value;
  }

  ProcessReader& reader_;
  pid_t pid_;
  KnownProcess known_;
};

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
    KnownProcess known;
    const UniqueId id = ask_unique_id(target);
    if (id.answer == Answer::kGone) return ArgsReason::kGone;
    if (id.answer == Answer::kGiven) {
      known.id = id;
    } else {
      known.start_time = ask_record(target).start_time;
    }
    return arguments_.read(target, known, sink).reason;
  }

  Snapshot inspect(Pid pid, CommandLineSink* sink) override {
    if (!is_valid(pid)) return ended(kInvalid);
    const auto target = static_cast<pid_t>(pid);
    KnownProcess known;
    // The record alone is one consistent answer; only the command line has to be tied to it.
    if (sink != nullptr) {
      const UniqueId id = ask_unique_id(target);
      if (id.answer == Answer::kGone) return ended(kAbsent);
      if (id.answer == Answer::kGiven) known.id = id;
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

    if (!known.id) known.start_time = record.start_time;
    const ArgumentsRead read = arguments_.read(target, known, *sink);
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
    KnownProcess known{.id = id};
    if (id.answer == Answer::kGone ||
        (id.answer == Answer::kGiven && presence_of(target, known) == Presence::kGone)) {
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

  std::unique_ptr<ProcessReference> reference(Pid pid) override {
    if (!is_valid(pid)) return nullptr;
    const auto target = static_cast<pid_t>(pid);
    const UniqueId id = ask_unique_id(target);
    if (id.answer != Answer::kGiven) return nullptr;
    return std::unique_ptr<ProcessReference>(new (std::nothrow)
                                                 UniqueIdReference(*this, target, id));
  }

  // XNU finds processes by pid only.
  std::unique_ptr<ProcessReference> reference_by_exact_id(std::uint64_t) override {
    return nullptr;
  }

  bool list(std::vector<Pid>& pids) override { return list_all(pids); }

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

  ArgumentsReader arguments_;
};

}  // namespace

std::unique_ptr<ProcessReader> ProcessReader::create() {
  return std::unique_ptr<ProcessReader>(new (std::nothrow) DarwinProcessReader());
}

}  // namespace pidentity
