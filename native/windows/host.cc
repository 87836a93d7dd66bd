#include "windows/host.h"

#include <windows.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace pidentity {
namespace {

// KUSER_SHARED_DATA, mapped read-only at this address into every process (documented in ntddk.h).
constexpr std::uintptr_t kSharedData = 0x7FFE0000;
constexpr std::uintptr_t kBootIdOffset = 0x2C4;  // BootId, Windows 10 and later
constexpr std::uintptr_t kCookieOffset = 0x330;  // Cookie, since Windows XP SP2

std::uint32_t shared_data(std::uintptr_t offset) noexcept {
  return *reinterpret_cast<const volatile std::uint32_t*>(kSharedData + offset);
}

void append_hex(std::string& text, std::uint64_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    text += "0123456789abcdef"[(value >> shift) & 0xF];
  }
}

// The boot counter alone is not enough: it starts over with each installation, and clones of one
// disk image count alike. The cookie is drawn by the first thread of each boot from the time, the
// interrupt time and page faults, and then never changes. Neither moves with clock steps, unlike
// the system's boot *time*.
std::string read_boot_id(const ntdll::Ntdll& ntdll) {
  std::string id;
  const std::uint32_t boot = shared_data(kBootIdOffset);
  const std::uint32_t cookie = shared_data(kCookieOffset);
  if (cookie != 0) {
    append_hex(id, boot, 8);
    id += '-';
    append_hex(id, cookie, 8);
    return id;
  }
  // Wine keeps neither. Its "boot" is the life of one wineserver: that hands out the pids, and its
  // start is what Wine reports, frozen, as boot time. On Windows a cookie of 0 does not happen; if
  // it did, the boot id would move with the clock, so nothing is said there.
  if (boot != 0) return id;
  ntdll::TimeOfDayInformation time{};
  const ntdll::Status status =
      ntdll.query_system(ntdll::SystemInfo::kTimeOfDay, &time, sizeof time, nullptr);
  if (ntdll::succeeded(status) && time.boot_time > 0) {
    id = "wine-";
    append_hex(id, static_cast<std::uint64_t>(time.boot_time), 16);
  }
  return id;
}

// Made at installation. Cloned disk images share it; the boot id tells them apart.
std::string read_machine_id() {
  std::array<wchar_t, 128> text{};
  DWORD bytes = sizeof text;
  // The 64-bit view by name: redirection could otherwise show another value to an emulated process.
  const LSTATUS status =
      RegGetValueW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Microsoft\\Cryptography", L"MachineGuid",
                   RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY, nullptr, text.data(), &bytes);
  std::string id;
  if (status != ERROR_SUCCESS) return id;
  // RegGetValue always terminates a string.
  for (const wchar_t unit : text) {
    if (unit == L'\0') break;
    // A GUID's text is ASCII; anything else is no machine id.
    if (unit < 0x21 || unit > 0x7E) return {};
    id += static_cast<char>(unit);
  }
  return id;
}

}  // namespace

HostFacts read_host_facts(const ntdll::Ntdll& ntdll) {
  HostFacts facts;
  facts.machine_id = read_machine_id();
  facts.boot_id = read_boot_id(ntdll);
  // A Windows container numbers its processes with the host's pids: there is only one namespace.
  facts.pid_namespace = "0";
  facts.initial_pid_namespace = true;
  facts.start_time_offset = 0;
  facts.monotonic_offset_ms = 0;
  return facts;
}

}  // namespace pidentity
