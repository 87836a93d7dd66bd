#include <sys/mount.h>
#include <sys/param.h>

#include "file_lock.h"

namespace pidentity {

std::optional<std::int64_t> file_system_type(int fd) {
  struct statfs status;
  if (::fstatfs(fd, &status) != 0) return std::nullopt;
  return static_cast<std::int64_t>(status.f_type);
}

}  // namespace pidentity
