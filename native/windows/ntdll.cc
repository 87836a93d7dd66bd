#include "windows/ntdll.h"

namespace pidentity::ntdll {
namespace {

template <typename Function>
Function find(HMODULE module, const char* name) noexcept {
  // Through void*: compilers warn about a direct cast between unrelated function types.
  return reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(module, name)));
}

}  // namespace

Ntdll Ntdll::resolve() noexcept {
  // ntdll is part of every process and is never unloaded.
  const HMODULE module = GetModuleHandleW(L"ntdll.dll");
  if (module == nullptr) return {nullptr, nullptr};
  return {find<NtQueryInformationProcess>(module, "NtQueryInformationProcess"),
          find<NtQuerySystemInformation>(module, "NtQuerySystemInformation")};
}

Status Ntdll::query_process(HANDLE process, ProcessInfo info, void* buffer, ULONG size,
                            ULONG* returned) const noexcept {
  if (process_query_ == nullptr) return kNotImplemented;
  return process_query_(process, static_cast<ULONG>(info), buffer, size, returned);
}

Status Ntdll::query_system(SystemInfo info, void* buffer, ULONG size,
                           ULONG* returned) const noexcept {
  if (system_query_ == nullptr) return kNotImplemented;
  return system_query_(static_cast<ULONG>(info), buffer, size, returned);
}

}  // namespace pidentity::ntdll
