// The two system calls of this backend that no import library promises.
//
// They are looked up at run time, and are values: Wine and older Windows lack single information
// classes, so their answers must be replaceable in unit tests. The layouts are
// those of phnt (the System Informer headers), checked against 64-bit offsets below.
#ifndef PIDENTITY_NATIVE_WINDOWS_NTDLL_H_
#define PIDENTITY_NATIVE_WINDOWS_NTDLL_H_

#include <windows.h>

#include <cstddef>
#include <cstdint>

namespace pidentity::ntdll {

static_assert(sizeof(void*) == 8, "only 64-bit Windows is supported: PEB offsets depend on it");

using Status = LONG;

constexpr Status status_code(std::uint32_t value) noexcept { return static_cast<Status>(value); }

inline constexpr Status kBufferOverflow = status_code(0x80000005);
inline constexpr Status kNotImplemented = status_code(0xC0000002);
inline constexpr Status kInvalidInfoClass = status_code(0xC0000003);
inline constexpr Status kInfoLengthMismatch = status_code(0xC0000004);
inline constexpr Status kAccessDenied = status_code(0xC0000022);
inline constexpr Status kBufferTooSmall = status_code(0xC0000023);
inline constexpr Status kProcessIsTerminating = status_code(0xC000010A);
inline constexpr Status kNotFound = status_code(0xC0000225);

constexpr bool succeeded(Status status) noexcept { return status >= 0; }

// The buffer was too small; the returned length, when there is one, says what is needed now.
constexpr bool wants_more_room(Status status) noexcept {
  return status == kInfoLengthMismatch || status == kBufferTooSmall || status == kBufferOverflow;
}

// This system does not know the information class at all.
constexpr bool lacks_class(Status status) noexcept {
  return status == kInvalidInfoClass || status == kNotImplemented;
}

enum class ProcessInfo : ULONG {
  kBasic = 0,            // BasicInformation
  kWow64 = 26,           // ULONG_PTR: address of the 32-bit PEB, 0 for a native process
  kCommandLine = 60,     // CountedString and its units, Windows 8.1 and later
  kSequenceNumber = 92,  // ULONGLONG, never reused within a boot, Windows 10 1803 and later
};

enum class SystemInfo : ULONG {
  kTimeOfDay = 3,  // TimeOfDayInformation
  kProcesses = 5,  // a chain of ProcessEntry
};

// UNICODE_STRING. Lengths are in bytes, without a terminator; the text may contain NUL.
struct CountedString {
  USHORT length;
  USHORT maximum_length;
  std::uint64_t buffer;
};
static_assert(sizeof(CountedString) == 16 && offsetof(CountedString, buffer) == 8);

// UNICODE_STRING of a 32-bit process.
struct CountedString32 {
  USHORT length;
  USHORT maximum_length;
  std::uint32_t buffer;
};
static_assert(sizeof(CountedString32) == 8 && offsetof(CountedString32, buffer) == 4);

// PROCESS_BASIC_INFORMATION
struct BasicInformation {
  Status exit_status;
  std::uint64_t peb;
  std::uint64_t affinity_mask;
  LONG base_priority;
  std::uint64_t pid;
  std::uint64_t inherited_from_pid;
};
static_assert(sizeof(BasicInformation) == 48 && offsetof(BasicInformation, peb) == 8 &&
              offsetof(BasicInformation, inherited_from_pid) == 40);

// The head of SYSTEM_PROCESS_INFORMATION; threads and the image name follow it.
struct ProcessEntry {
  ULONG next_entry_offset;  // from the start of this entry; 0 in the last one
  ULONG thread_count;
  std::int64_t working_set_private_size;
  ULONG hard_fault_count;
  ULONG thread_high_watermark;
  std::uint64_t cycle_time;
  std::int64_t create_time;  // 100 ns since 1601
  std::int64_t user_time;
  std::int64_t kernel_time;
  CountedString image_name;
  LONG base_priority;
  std::uint64_t pid;
  std::uint64_t inherited_from_pid;
};
static_assert(sizeof(ProcessEntry) == 96 && offsetof(ProcessEntry, create_time) == 32 &&
              offsetof(ProcessEntry, pid) == 80 &&
              offsetof(ProcessEntry, inherited_from_pid) == 88);

// The head of SYSTEM_TIMEOFDAY_INFORMATION.
struct TimeOfDayInformation {
  std::int64_t boot_time;  // 100 ns since 1601; moves with clock steps on Windows, not on Wine
  std::int64_t current_time;
  std::int64_t time_zone_bias;
  ULONG time_zone_id;
  ULONG reserved;
};
static_assert(sizeof(TimeOfDayInformation) == 32);

using NtQueryInformationProcess = Status(NTAPI*)(HANDLE process, ULONG info_class, void* buffer,
                                                 ULONG size, ULONG* returned);
using NtQuerySystemInformation = Status(NTAPI*)(ULONG info_class, void* buffer, ULONG size,
                                                ULONG* returned);

// A function that this system lacks answers kNotImplemented.
class Ntdll {
 public:
  // The system's own functions.
  static Ntdll resolve() noexcept;

  // Null stands for a function that the system lacks.
  Ntdll(NtQueryInformationProcess process_query, NtQuerySystemInformation system_query) noexcept
      : process_query_(process_query), system_query_(system_query) {}

  Status query_process(HANDLE process, ProcessInfo info, void* buffer, ULONG size,
                       ULONG* returned) const noexcept;

  Status query_system(SystemInfo info, void* buffer, ULONG size, ULONG* returned) const noexcept;

 private:
  NtQueryInformationProcess process_query_;
  NtQuerySystemInformation system_query_;
};

}  // namespace pidentity::ntdll

#endif  // PIDENTITY_NATIVE_WINDOWS_NTDLL_H_
