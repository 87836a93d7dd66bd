#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "file_descriptor.h"
#include "file_lock.h"

namespace pidentity {
namespace {

// linux/openat2.h, which older headers lack.
struct OpenHow {
  std::uint64_t flags;
  std::uint64_t mode;
  std::uint64_t resolve;
};
constexpr std::uint64_t kResolveNoSymlinks = 0x04;

#ifndef SYS_openat2
#define SYS_openat2 437  // the same on every architecture
#endif

}  // namespace

bool is_without_links(const char* directory) {
  const OpenHow how{
      .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = kResolveNoSymlinks};
  // ELOOP: there is one. ENOSYS, EPERM: an older kernel, a sandbox.
  const auto fd = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, directory, &how, sizeof how));
  return static_cast<bool>(FileDescriptor(fd));
}

}  // namespace pidentity
