// Reads the command line of another process.
#ifndef PIDENTITY_NATIVE_WINDOWS_COMMAND_LINE_H_
#define PIDENTITY_NATIVE_WINDOWS_COMMAND_LINE_H_

#include <windows.h>

#include "process.h"
#include "windows/ntdll.h"
#include "windows/scratch_buffer.h"

namespace pidentity {

class CommandLineReader {
 public:
  explicit CommandLineReader(const ntdll::Ntdll& ntdll) noexcept : ntdll_(ntdll) {}

  // `process` is open with PROCESS_QUERY_LIMITED_INFORMATION and keeps `pid` from being reused
  // meanwhile. Delivers to `sink` only when the answer is kRead. kUnsupported when the text lies
  // where it cannot be read, which a process can bring about for itself.
  ArgsReason read(HANDLE process, Pid pid, CommandLineSink& sink) noexcept;

 private:
  ArgsReason ask_the_kernel(HANDLE process, CommandLineSink& sink) noexcept;
  ArgsReason read_from_memory(HANDLE process, Pid pid, CommandLineSink& sink) noexcept;

  ntdll::Ntdll ntdll_;
  ScratchBuffer buffer_;
  // Set once the system says that it does not know the information class.
  bool kernel_cannot_tell_ = false;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_COMMAND_LINE_H_
