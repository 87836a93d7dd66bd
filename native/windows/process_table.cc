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

// Calls `visit` with each entry until it returns false, or the chain of entries leaves the table.
template <typename Visit>
void walk(std::span<const std::byte> table, Visit visit) noexcept {
  std::size_t offset = 0;
  while (table.size() - offset >= sizeof(ntdll::ProcessEntry)) {
    ntdll::ProcessEntry entry;
    std::memcpy(&entry, table.data() + offset, sizeof entry);
    if (!visit(entry)) return;
    if (entry.next_entry_offset == 0 || entry.next_entry_offset > table.size() - offset) return;
    offset += entry.next_entry_offset;
  }
}

// The whole table in `buffer`; nothing when it cannot be read.
std::optional<std::span<const std::byte>> read_table(const ntdll::Ntdll& ntdll,
                                                     ScratchBuffer& buffer) noexcept {
  std::size_t wanted = kFirstSize;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (wanted > kLargestSize || !buffer.reserve(wanted)) break;
    ULONG returned = 0;
    const ntdll::Status status = ntdll.query_system(ntdll::SystemInfo::kProcesses, buffer.data(),
                                                    static_cast<ULONG>(buffer.size()), &returned);
    if (ntdll::succeeded(status)) {
      return std::span<const std::byte>(buffer.data(),
                                        std::min<std::size_t>(returned, buffer.size()));
    }
    if (!ntdll::wants_more_room(status)) break;
    // Slack, because processes start while the buffer is being replaced.
    wanted = std::max<std::size_t>(buffer.size() * 2, std::size_t{returned} + kFirstSize / 4);
  }
  return std::nullopt;
}

}  // namespace

std::optional<TableEntry> look_up_in_process_table(const ntdll::Ntdll& ntdll, Pid pid) noexcept {
  ScratchBuffer buffer;
  std::optional<TableEntry> found;
  if (const auto table = read_table(ntdll, buffer)) {
    walk(*table, [&](const ntdll::ProcessEntry& entry) {
      if (entry.pid != pid) return true;
      found = TableEntry{.create_time = entry.create_time,
                         .parent = static_cast<Pid>(entry.inherited_from_pid),
                         .thread_count = entry.thread_count};
      return false;
    });
  }
  return found;
}

bool list_process_table(const ntdll::Ntdll& ntdll, std::vector<Pid>& pids) noexcept {
  ScratchBuffer buffer;
  const auto table = read_table(ntdll, buffer);
  if (!table) return false;
  walk(*table, [&](const ntdll::ProcessEntry& entry) {
    if (entry.pid != 0 && entry.pid <= UINT32_MAX) pids.push_back(static_cast<Pid>(entry.pid));
    return true;
  });
  return true;
}

}  // namespace pidentity
