#include "windows/command_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "parse/windows_command_line.h"
#include "windows/process_handle.h"

// Class 60 is asked first: it needs no right to read the target's memory, which antivirus products
// watch. Only where it does not exist (Wine, Windows before 8.1) the target's process environment
// block is read, and then nothing found there is trusted: a process can write what it likes into
// its own block.

namespace pidentity {
namespace {

using ntdll::CountedString;
using ntdll::CountedString32;

constexpr std::size_t kFirstSize = 4 * 1024;
// A counted string holds at most 65 535 bytes; the rest is its head and slack.
constexpr std::size_t kLargestSize = 128 * 1024;
constexpr int kMaxTries = 8;

// Offsets in PEB and RTL_USER_PROCESS_PARAMETERS, unchanged from Windows XP to 11 (phnt).
struct Layout64 {
  using Address = std::uint64_t;
  using String = CountedString;
  static constexpr std::uint64_t kParametersInPeb = 0x20;
  static constexpr std::uint64_t kCommandLineInParameters = 0x70;
};
struct Layout32 {
  using Address = std::uint32_t;
  using String = CountedString32;
  static constexpr std::uint64_t kParametersInPeb = 0x10;
  static constexpr std::uint64_t kCommandLineInParameters = 0x40;
};

// Units of a string that is `bytes` long: an odd length, which only a tampering process produces,
// ends in half a unit.
constexpr std::size_t units_in(std::size_t bytes) noexcept { return bytes / sizeof(char16_t); }

// `units` is scratch memory of the caller: splitting overwrites it.
void deliver(char16_t* units, std::size_t count, CommandLineSink& sink) {
  // Some creators count the terminator, and a program may shorten its line by clearing the end.
  while (count > 0 && units[count - 1] == u'\0') --count;
  const std::u16string_view line(units, count);
  sink.raw(line);
  WindowsCommandLine arguments(line, units);
  while (const auto argument = arguments.next()) sink.argument(*argument);
}

void deliver_nothing(CommandLineSink& sink) { sink.raw(std::u16string_view()); }

// Copies `size` bytes of another process. All or nothing.
bool read_memory(HANDLE process, std::uint64_t address, void* into, std::size_t size) noexcept {
  SIZE_T read = 0;
  const auto* from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(address));
  return ReadProcessMemory(process, from, into, size, &read) != 0 && read == size;
}

// Finds the command line through a PEB at `peb`. False when a step of the way is not readable.
template <typename Layout>
bool find_command_line(HANDLE process, std::uint64_t peb, CountedString& found) noexcept {
  typename Layout::Address parameters = 0;
  if (!read_memory(process, peb + Layout::kParametersInPeb, &parameters, sizeof parameters)) {
    return false;
  }
  typename Layout::String string{};
  if (parameters == 0 || !read_memory(process, parameters + Layout::kCommandLineInParameters,
                                      &string, sizeof string)) {
    return false;
  }
  found = {
      .length = string.length, .maximum_length = string.maximum_length, .buffer = string.buffer};
  return true;
}

}  // namespace

ArgsReason CommandLineReader::read(HANDLE process, Pid pid, CommandLineSink& sink) noexcept {
  if (!kernel_cannot_tell_) {
    const ArgsReason answer = ask_the_kernel(process, sink);
    if (!kernel_cannot_tell_) return answer;
  }
  return read_from_memory(process, pid, sink);
}

ArgsReason CommandLineReader::ask_the_kernel(HANDLE process, CommandLineSink& sink) noexcept {
  std::size_t wanted = kFirstSize;
  // The target may change its command line between two tries, so one retry need not be enough.
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (wanted > kLargestSize || !buffer_.reserve(wanted)) return ArgsReason::kUnsupported;
    ULONG returned = 0;
    const ntdll::Status status =
        ntdll_.query_process(process, ntdll::ProcessInfo::kCommandLine, buffer_.data(),
                             static_cast<ULONG>(buffer_.size()), &returned);
    if (ntdll::wants_more_room(status)) {
      wanted = std::max<std::size_t>(buffer_.size() * 2, returned);
      continue;
    }
    if (status == ntdll::kNotFound) {
      deliver_nothing(sink);
      return ArgsReason::kRead;
    }
    if (ntdll::lacks_class(status)) {
      kernel_cannot_tell_ = true;
      return ArgsReason::kUnsupported;
    }
    if (status == ntdll::kProcessIsTerminating) return ArgsReason::kGone;
    if (status == ntdll::kAccessDenied) return ArgsReason::kAccessDenied;
    if (!ntdll::succeeded(status)) return ArgsReason::kUnsupported;

    CountedString string;
    std::memcpy(&string, buffer_.data(), sizeof string);
    if (units_in(string.length) == 0) {
      deliver_nothing(sink);
      return ArgsReason::kRead;
    }
    // The string points into our own buffer; anything else is no answer to this question.
    const std::uint64_t begin = reinterpret_cast<std::uintptr_t>(buffer_.data());
    const std::uint64_t offset = string.buffer - begin;
    if (string.buffer < begin + sizeof string || offset > buffer_.size() ||
        string.length > buffer_.size() - offset || offset % alignof(char16_t) != 0) {
      return ArgsReason::kUnsupported;
    }
    deliver(reinterpret_cast<char16_t*>(buffer_.data() + offset), units_in(string.length), sink);
    return ArgsReason::kRead;
  }
  return ArgsReason::kUnsupported;
}

ArgsReason CommandLineReader::read_from_memory(HANDLE process, Pid pid,
                                               CommandLineSink& sink) noexcept {
  // `process` pins the pid: this second handle is one to the same process.
  const ProcessHandle reader =
      open_process(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ, pid);
  if (!reader) {
    const DWORD error = GetLastError();
    if (error == ERROR_ACCESS_DENIED) return ArgsReason::kAccessDenied;
    return error == ERROR_INVALID_PARAMETER ? ArgsReason::kGone : ArgsReason::kUnsupported;
  }
  ntdll::BasicInformation basic{};
  const ntdll::Status status =
      ntdll_.query_process(process, ntdll::ProcessInfo::kBasic, &basic, sizeof basic, nullptr);
  if (status == ntdll::kProcessIsTerminating) return ArgsReason::kGone;
  if (!ntdll::succeeded(status)) return ArgsReason::kUnsupported;

  // A 32-bit process has two blocks; the program itself reads the 32-bit one.
  std::uint64_t peb32 = 0;
  const bool is_32_bit = ntdll::succeeded(ntdll_.query_process(process, ntdll::ProcessInfo::kWow64,
                                                               &peb32, sizeof peb32, nullptr)) &&
                         peb32 != 0;
  CountedString string{};
  const bool found =
      is_32_bit ? find_command_line<Layout32>(reader.get(), peb32, string)
                : basic.peb != 0 && find_command_line<Layout64>(reader.get(), basic.peb, string);
  if (!found) return ArgsReason::kUnsupported;

  const std::size_t count = units_in(string.length);
  if (count == 0) {
    deliver_nothing(sink);
    return ArgsReason::kRead;
  }
  // The length is 16 bits wide, so what a hostile one can make us read is bounded. Half a unit at
  // the end is not asked for: it may lie on a page that is not there.
  if (!buffer_.reserve(std::max(kFirstSize, count * sizeof(char16_t))) ||
      !read_memory(reader.get(), string.buffer, buffer_.data(), count * sizeof(char16_t))) {
    return ArgsReason::kUnsupported;
  }
  deliver(reinterpret_cast<char16_t*>(buffer_.data()), count, sink);
  return ArgsReason::kRead;
}

}  // namespace pidentity
