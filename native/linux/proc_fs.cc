#include "linux/proc_fs.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace pidentity {
namespace {

// Of reading one command line: each further one means that the process has executed a program
// between two system calls.
constexpr int kMostAttempts = 4;

// struct linux_dirent64 of getdents64(2), which the C library does not declare.
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;  // of the whole entry
  std::uint8_t type;
  char name[1];  // ends with a NUL
};
constexpr std::size_t kNameOffset = offsetof(DirectoryEntry, name);

}  // namespace

int list_proc(std::vector<Pid>& pids) {
  FileDescriptor directory;
  if (const int error = open_to_read("/proc", directory)) return error;
  // About a thousand entries: /proc remembers where it was by the number of the process.
  alignas(DirectoryEntry) char entries[32 * 1024];
  for (;;) {
    const long count = system_call(SYS_getdents64, directory.get(), address_of(entries),
                                   static_cast<long>(sizeof entries));
    if (count < 0) return static_cast<int>(-count);
    if (count == 0) return 0;
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      DirectoryEntry entry;
      std::memcpy(&entry, entries + at, kNameOffset);
      const char* const name = entries + at + kNameOffset;
      const char* const end = name + std::strlen(name);
      Pid pid = 0;
      const auto [stop, error] = std::from_chars(name, end, pid);
      if (error == std::errc() && stop == end && pid != 0) pids.push_back(pid);
      at += entry.length;
    }
  }
}

long read_start_of_file(const char* path, char* buffer, std::size_t capacity) {
  FileDescriptor file;
  if (const int error = open_to_read(path, file)) return -error;
  std::size_t size = 0;
  while (size < capacity) {
    const long count = read_at(file.get(), buffer + size, capacity - size, size);
    if (count < 0) return count;
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  return static_cast<long>(size);
}

int ProcDirectory::read_command_line(std::uint64_t area_length, ByteBuffer& buffer) const {
  buffer.set_size(0);
  if (command_line_error_ != 0) return command_line_error_;
  // One byte more than expected, so that a full buffer always means "there may be more".
  if (area_length >= ByteBuffer::kMaxCapacity) return ENOMEM;
  if (!buffer.reserve(static_cast<std::size_t>(area_length) + 1)) return ENOMEM;
  // Linux cuts no read short before the end of the file: a read that goes on behind a short one has
  // met another program, executed in between, and so has its first part. Other kernels with a /proc
  // may cut reads, always.
  for (int attempts_left = kMostAttempts;;) {
    std::size_t size = 0;
    int reads = 0;
    long count;
    do {
      count = read_at(command_line_.get(), buffer.data() + size, buffer.capacity() - size, size);
      if (count < 0) return static_cast<int>(-count);
      size += static_cast<std::size_t>(count);
      if (count > 0) ++reads;
    } while (count > 0 && size < buffer.capacity() && size != area_length);
    if (size < buffer.capacity()) {
      if (reads > 1 && --attempts_left > 0) continue;
      buffer.set_size(size);
      return 0;
    }
    // Again from the start rather than on from here: one read sees one program.
    if (size == ByteBuffer::kMaxCapacity) return ENOMEM;
    if (!buffer.reserve(std::min(size * 4, ByteBuffer::kMaxCapacity))) return ENOMEM;
  }
}

std::optional<Pid> ProcDirectory::thread_group() {
  FileDescriptor file;
  if (open_file("status", file) != 0) return std::nullopt;
  char text[1024];  // Tgid is the fourth line
  const long count = read_at(file.get(), text, sizeof text, 0);
  if (count <= 0) return std::nullopt;
  const std::string_view status(text, static_cast<std::size_t>(count));
  // The name in the first line cannot fake this: its newlines are escaped.
  constexpr std::string_view kKey = "\nTgid:\t";
  const std::size_t at = status.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  Pid group = 0;
  const char* const end = status.data() + status.size();
  const auto [stop, error] = std::from_chars(status.data() + at + kKey.size(), end, group);
  if (error != std::errc() || stop == end || *stop != '\n') return std::nullopt;
  return group;
}

}  // namespace pidentity
