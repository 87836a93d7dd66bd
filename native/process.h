// The whole OS contract: what pidentity asks an operating system about a process.
//
// One folder per OS implements exactly these functions; binding.gyp picks the folder. Nothing here
// throws, logs, allocates without bound, starts a thread or keeps global state: everything worth
// remembering between calls lives in a ProcessReader, of which each Node environment owns one.
#ifndef PIDENTITY_NATIVE_PROCESS_H_
#define PIDENTITY_NATIVE_PROCESS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pidentity {

using Pid = std::uint32_t;

// The numeric values of these enums are the wire format of lib/native/binding.ts, where the same
// lists stand in the same order.
enum class State : std::uint8_t { kAlive = 0, kGone = 1, kUnknown = 2 };

enum class Reason : std::uint8_t {
  kRunning = 0,
  kNoSuchProcess = 1,
  kZombie = 2,        // exited, not yet reaped by its parent
  kExited = 3,        // exited, kept only by an open handle
  kThreadId = 4,      // names a thread that is not its process's leader
  kInvalidPid = 5,    // no process can ever have this number on this OS
  kAccessDenied = 6,  // the OS refuses to say
  kUnsupported = 7,   // this OS, kernel or sandbox has no way to ask
};

enum class ArgsReason : std::uint8_t {
  kRead = 0,  // the command line was delivered
  kGone = 1,
  kAccessDenied = 2,
  kBusy = 3,  // not read: the target is stuck in the kernel and reading could hang with it
  kSkipped = 4,
  kUnsupported = 5,
};

struct Liveness {
  State state = State::kUnknown;
  Reason reason = Reason::kUnsupported;
};

// Every answer there is.
inline constexpr Liveness kRunning = {State::kAlive, Reason::kRunning};
inline constexpr Liveness kAbsent = {State::kGone, Reason::kNoSuchProcess};
inline constexpr Liveness kZombie = {State::kGone, Reason::kZombie};
inline constexpr Liveness kExited = {State::kGone, Reason::kExited};
inline constexpr Liveness kThread = {State::kGone, Reason::kThreadId};
inline constexpr Liveness kInvalid = {State::kGone, Reason::kInvalidPid};
// It exists, but the OS does not tell whether it still runs.
inline constexpr Liveness kDenied = {State::kUnknown, Reason::kAccessDenied};
inline constexpr Liveness kUnsupported = {State::kUnknown, Reason::kUnsupported};

// Receives a command line: `raw` exactly once, then one `argument` per element, in order. The
// views are valid only during the call. POSIX delivers bytes (not necessarily UTF-8), the raw ones
// being the arguments with single NULs between them; Windows UTF-16 code units (not necessarily
// well formed).
class CommandLineSink {
 public:
  virtual void raw(std::string_view bytes) = 0;
  virtual void raw(std::u16string_view units) = 0;
  virtual void argument(std::string_view bytes) = 0;
  virtual void argument(std::u16string_view units) = 0;

 protected:
  ~CommandLineSink() = default;
};

// One consistent view of one process.
struct Snapshot {
  Liveness liveness;
  // The platform's frozen start-time integer. Linux: clock ticks since boot, the reader's
  // time-namespace offset removed. macOS, Windows: microseconds since the Unix epoch.
  std::optional<std::int64_t> start_time;
  // start_time as wall-clock milliseconds since the Unix epoch. On Linux it is derived from the
  // current wall clock and therefore moves when that is stepped; elsewhere it is start_time / 1000.
  std::optional<double> started_at_ms;
  std::optional<Pid> parent;  // absent, too, when it is outside the reader's pid namespace
  ArgsReason args_reason = ArgsReason::kSkipped;
};

// What names the process that has a pid now, and no later one.
struct Identity {
  Liveness liveness;
  std::optional<std::int64_t> start_time;
  // Never used again within one boot. Linux 6.9+: inode of the pidfd on pidfs. macOS: p_uniqueid.
  // Windows 10 1803+: process sequence number.
  std::optional<std::uint64_t> exact_id;
};

struct HostFacts {
  std::string machine_id;  // stable over boots; empty when unknown. Never leaves the package as is
  std::string boot_id;     // differs for every boot; empty when unknown
  std::string pid_namespace;  // Linux: inode number of the reader's pid namespace; "0" where the OS
                              // has none; empty when unknown
  bool initial_pid_namespace = false;  // true also where the OS has no pid namespaces
  // Linux time namespaces: what this reader sees minus what the host sees. 0 elsewhere, empty when
  // it cannot be known.
  std::optional<double>
      start_time_offset;  // in units of start_time (clock ticks); may be a fraction
  std::optional<double> monotonic_offset_ms;  // of CLOCK_MONOTONIC
};

// What became of a signal.
enum class Delivery : std::uint8_t {
  kSent = 0,
  kGone = 1,          // the process has ended: nothing was sent
  kAccessDenied = 2,  // the OS refuses to signal it: nothing was sent
  kUnsupported = 3,   // nothing was sent for want of a way to
};

// A held reference to one process (pidfd, HANDLE; on macOS its unique id): asking it never confuses
// that process with a later one of the same pid. Not to be asked after its reader's end.
class ProcessReference {
 public:
  virtual ~ProcessReference() = default;
  // True once the process has exited, reaped or not. A microsecond; never blocks.
  virtual bool exited() = 0;
  // Of the very process that is referenced.
  virtual Identity identity() = 0;
  // To the very process that is referenced, or to none. 0 only asks whether one could be sent.
  // POSIX: any signal that kill(2) takes. Windows knows no signals: any other one ends the process.
  virtual Delivery signal(int number) = 0;
};

class ProcessReader {
 public:
  static std::unique_ptr<ProcessReader> create();
  virtual ~ProcessReader() = default;

  virtual Liveness liveness(Pid pid) = 0;
  virtual std::optional<std::int64_t> start_time(Pid pid) = 0;
  virtual ArgsReason arguments(Pid pid, CommandLineSink& sink) = 0;
  // `sink` null skips the command line. When the process is replaced during the call the answer is
  // the replaced one's end, never a mixture; what the sink received is void unless args_reason says
  // kRead.
  virtual Snapshot inspect(Pid pid, CommandLineSink* sink) = 0;
  virtual Identity identity(Pid pid) = 0;
  // Looks a process up by its exact id, whatever its pid is here (Linux 6.14+, from the initial pid
  // namespace, where every process is visible). kUnknown/kUnsupported where that cannot be asked.
  virtual Liveness by_exact_id(std::uint64_t exact_id) = 0;
  virtual HostFacts host() = 0;
  // Null when there is no such process or this OS cannot hold a reference to it.
  virtual std::unique_ptr<ProcessReference> reference(Pid pid) = 0;
  // Likewise by exact id, whatever its pid is here. Linux 6.14+.
  virtual std::unique_ptr<ProcessReference> reference_by_exact_id(std::uint64_t exact_id) = 0;
  // The pids of all processes that this one can see, zombies among them, in no order. False when
  // they cannot be listed.
  virtual bool list(std::vector<Pid>& pids) = 0;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PROCESS_H_
