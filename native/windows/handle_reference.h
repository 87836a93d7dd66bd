// References to processes: an open handle keeps the process object, and with it the pid, from being
// given to another process.
#ifndef PIDENTITY_NATIVE_WINDOWS_HANDLE_REFERENCE_H_
#define PIDENTITY_NATIVE_WINDOWS_HANDLE_REFERENCE_H_

#include <memory>

#include "process.h"
#include "windows/process_handle.h"
#include "windows/process_reader.h"

namespace pidentity {

// `process`: open for waiting. Null when there is no memory.
[[nodiscard]] std::unique_ptr<ProcessReference> refer_to(Pid pid, ProcessHandle process,
                                                         ProcessReader& reader,
                                                         OpenProcessFunction open_process) noexcept;

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_HANDLE_REFERENCE_H_
