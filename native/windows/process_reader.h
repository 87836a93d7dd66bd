// ProcessReader on Windows over given system functions; ProcessReader::create() passes the real
// ones, unit tests those that deny, lack or distort something.
#ifndef PIDENTITY_NATIVE_WINDOWS_PROCESS_READER_H_
#define PIDENTITY_NATIVE_WINDOWS_PROCESS_READER_H_

#include <windows.h>

#include <memory>

#include "process.h"
#include "windows/ntdll.h"

namespace pidentity {

using OpenProcessFunction = HANDLE(WINAPI*)(DWORD access, BOOL inherit, DWORD pid);

// Null when there is no memory.
[[nodiscard]] std::unique_ptr<ProcessReader> create_process_reader(
    const ntdll::Ntdll& ntdll, OpenProcessFunction open_process);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_PROCESS_READER_H_
