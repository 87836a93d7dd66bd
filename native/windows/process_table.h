// The system's process table: what Windows tells anybody about processes it lets nobody open.
#ifndef PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_
#define PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "process.h"
#include "windows/ntdll.h"

namespace pidentity {

struct TableEntry {
  std::int64_t create_time = 0;  // 100 ns since 1601; 0 when the system does not say
  Pid parent = 0;
  std::uint32_t thread_count = 0;
};

// Finds one process in an answer to SystemInfo::kProcesses. Nothing when it is not listed or the
// chain of entries leaves the answer.
[[nodiscard]] std::optional<TableEntry> find_in_process_table(std::span<const std::byte> table,
                                                              Pid pid) noexcept;

struct TableLookup {
  bool readable = false;  // false: the table itself could not be read
  std::optional<TableEntry> entry;
};

// Reads the whole table, about a millisecond on a busy system, and finds one process in it.
[[nodiscard]] TableLookup look_up_in_process_table(const ntdll::Ntdll& ntdll, Pid pid) noexcept;

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_PROCESS_TABLE_H_
