#include "windows/process_table.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "windows/scratch_buffer.h"

namespace pidentity {
namespace {

// Roughly 300 processes with their threads; the first answer says what is needed.
constexpr std::size_t kFirstSize = 256 * 1024;
// Some ten thousand processes with a hundred threads each. Beyond that the answer is "unknown".
constexpr std::size_t kLargestSize = 128 * 1024 * 1024;
// Between two calls the table can outgrow even the slack.
constexpr int kMaxTries = 8;

// Nothing when the process is not listed or the chain of entries leaves the table.
std::optional<TableEntry> find_in(std::span<const std::byte> table, Pid pid) noexcept {
  std::size_t offset = 0;
  while (table.size() - offset >= sizeof(ntdll::ProcessEntry)) {
    ntdll::ProcessEntry entry;
    std::memcpy(&entry, table.data() + offset, sizeof entry);
    if (entry.pid == pid) {
      return TableEntry{.create_time = entry.create_time,
                        .parent = static_cast<Pid>(entry.inherited_from_pid),
                        .thread_count = entry.thread_count};
    }
    if (entry.next_entry_offset == 0 || entry.next_entry_offset > table.size() - offset) break;
    offset += entry.next_entry_offset;
  }
  return std::nullopt;
}

}  // namespace

std::optional<TableEntry> look_up_in_process_table(const ntdll::Ntdll& ntdll, Pid pid) noexcept {
  ScratchBuffer buffer;
  std::size_t wanted = kFirstSize;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (wanted > kLargestSize || !buffer.reserve(wanted)) break;
    ULONG returned = 0;
    const ntdll::Status status = ntdll.query_system(ntdll::SystemInfo::kProcesses, buffer.data(),
                                                    static_cast<ULONG>(buffer.size()), &returned);
    if (ntdll::succeeded(status)) {
      const std::size_t filled = std::min<std::size_t>(returned, buffer.size());
      return find_in({buffer.data(), filled}, pid);
    }
    if (!ntdll::wants_more_room(status)) break;
    // Slack, because processes start while the buffer is being replaced.
    wanted = std::max<std::size_t>(buffer.size() * 2, std::size_t{returned} + kFirstSize / 4);
  }
  return std::nullopt;
}

}  // namespace pidentity
