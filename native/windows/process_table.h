// The system's process table: it needs no rights, and also lists processes that cannot be opened.
#ifndef PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_
#define PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "process.h"
#include "windows/ntdll.h"

namespace pidentity {

struct TableEntry {
  std::int64_t create_time = 0;  // 100 ns since 1601; 0 when the system does not say
  Pid parent = 0;
  std::uint32_t thread_count = 0;
};

// Reads the whole table, about a millisecond on a busy system, and finds one process in it. Nothing
// when it is not listed, or when the table cannot be read.
[[nodiscard]] std::optional<TableEntry> look_up_in_process_table(const ntdll::Ntdll& ntdll,
                                                                 Pid pid) noexcept;

// Appends the pids of all processes but the idle one, 0. False when the table cannot be read.
[[nodiscard]] bool list_process_table(const ntdll::Ntdll& ntdll, std::vector<Pid>& pids) noexcept;

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_
