// Reads the command line of a process.
#ifndef PIDENTITY_NATIVE_DARWIN_ARGUMENTS_H_
#define PIDENTITY_NATIVE_DARWIN_ARGUMENTS_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "darwin/same_process.h"
#include "process.h"

namespace pidentity {

struct ArgumentsRead {
  ArgsReason reason = ArgsReason::kUnsupported;
  // kGone when the process has ended, or been replaced, meanwhile; says nothing otherwise.
  Liveness liveness = kUnsupported;
};

class ArgumentsReader {
 public:
  // The sink hears nothing before `pid` was seen to be that process again.
  ArgumentsRead read(pid_t pid, KnownProcess known, CommandLineSink& sink);

 private:
  ArgumentsRead deliver(std::size_t size, CommandLineSink& sink) const;

  std::unique_ptr<char[]> buffer_;  // for the first command line that is read, then kept
  std::size_t capacity_ = 0;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_DARWIN_ARGUMENTS_H_
