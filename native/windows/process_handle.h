// Ownership of a process handle as OpenProcess returns it: failure is NULL, never
// INVALID_HANDLE_VALUE (which, as a process handle, means the calling process).
#ifndef PIDENTITY_NATIVE_WINDOWS_PROCESS_HANDLE_H_
#define PIDENTITY_NATIVE_WINDOWS_PROCESS_HANDLE_H_

#include <windows.h>

#include "process.h"
#include "unique_handle.h"

namespace pidentity {

struct ProcessHandleTraits {
  using Handle = HANDLE;
  static constexpr Handle invalid() { return nullptr; }
  static void close(Handle handle) { CloseHandle(handle); }
};

using ProcessHandle = UniqueHandle<ProcessHandleTraits>;

// Empty on failure; GetLastError() says why.
inline ProcessHandle open_process(DWORD access, Pid pid) {
  return ProcessHandle(OpenProcess(access, FALSE, pid));
}

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_PROCESS_HANDLE_H_
