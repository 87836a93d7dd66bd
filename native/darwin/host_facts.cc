#include "darwin/host_facts.h"

#include <gethostuuid.h>
#include <sys/sysctl.h>
#include <time.h>

#include <cstddef>

namespace pidentity {

namespace {

// A UUID that the kernel makes at every boot.
std::string boot_session() {
  char text[64] = {};
  std::size_t size = sizeof text - 1;
  if (::sysctlbyname("kern.bootsessionuuid", text, &size, nullptr, 0) != 0) return {};
  return text;
}

// The IORegistry's IOPlatformUUID, in its spelling, without linking IOKit.
std::string platform_uuid() {
  // The kernel has it before the first program runs; a timeout of zero would mean "for ever".
  const timespec timeout = {0, 100'000'000};
  uuid_t uuid = {};
  if (::gethostuuid(uuid, &timeout) != 0) return {};
  constexpr char kDigits[] = "0123456789ABCDEF";
  bool all_zero = true;
  std::string text;
  for (std::size_t index = 0; index < sizeof uuid; ++index) {
    if (index == 4 || index == 6 || index == 8 || index == 10) text.push_back('-');
    text.push_back(kDigits[uuid[index] >> 4]);
    text.push_back(kDigits[uuid[index] & 0xf]);
    all_zero = all_zero && uuid[index] == 0;
  }
  return all_zero ? std::string() : text;
}

}  // namespace

HostFacts read_host_facts() {
  HostFacts facts;
  facts.machine_id = platform_uuid();
  facts.boot_id = boot_session();
  facts.pid_namespace = "0";
  facts.initial_pid_namespace = true;
  facts.start_time_offset = 0;
  facts.monotonic_offset_ms = 0;
  return facts;
}

}  // namespace pidentity
