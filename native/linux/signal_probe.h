// Asks by signal 0 what a number names, without /proc and without a descriptor.
#ifndef PIDENTITY_NATIVE_LINUX_SIGNAL_PROBE_H_
#define PIDENTITY_NATIVE_LINUX_SIGNAL_PROBE_H_

#include <cstdint>

#include "process.h"

namespace pidentity {

enum class TaskKind : std::uint8_t {
  kNone,
  kProcess,  // exists; may be a zombie, may be another user's
  kThread,   // a thread that does not lead its process
  kEither,   // exists, one of those two
  kUnknown,
};

class SignalProbe {
 public:
  TaskKind probe(Pid pid);

 private:
  // A sandbox may refuse these calls, and its EPERM would read as "another user's process": each is
  // believed only when it works on this very process.
  enum class Trust : std::uint8_t { kUntested, kBoth, kKillOnly, kNeither };
  Trust test() const;

  Trust trust_ = Trust::kUntested;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_SIGNAL_PROBE_H_
