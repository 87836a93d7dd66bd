#include "linux/exact_id.h"

#include <unistd.h>

#include <cerrno>

#include "linux/file_descriptor.h"
#include "linux/pidfd.h"

namespace pidentity {
namespace {

constexpr Pid kInit = 1;

}  // namespace

std::optional<std::uint64_t> ExactIds::of(int pidfd) {
  if (!have_ids_) have_ids_ = pidfd_has_own_inode(pidfd);
  return *have_ids_ ? pidfd_inode(pidfd) : std::nullopt;
}

void ExactIds::open(std::uint64_t wanted, FileDescriptor& pidfd) {
  FileDescriptor mount;
  if (pidfd_open(kInit, mount) != 0 || pidfd_open_by_inode(mount.get(), wanted, pidfd) != 0) return;
  // Anything else would be a file of another file system.
  if (of(pidfd.get()) != wanted) pidfd.reset();
}

Liveness ExactIds::look_up(std::uint64_t wanted, OwnNamespaces& own) {
  FileDescriptor mount;
  if (pidfd_open(kInit, mount) != 0) return kUnsupported;
  FileDescriptor pidfd;
  const int error = pidfd_open_by_inode(mount.get(), wanted, pidfd);
  if (error == 0) {
    // Anything else would be a file of another file system.
    return of(pidfd.get()) == wanted ? pidfd_liveness(pidfd.get()).value_or(kDenied) : kUnsupported;
  }
  // Not found is a proof only where every process is visible and finding works.
  if (error != ESTALE || !own.get().initial_pid_namespace) return kUnsupported;
  return can_look_up(mount.get()) ? kAbsent : kUnsupported;
}

// Before Linux 6.14 every look-up fails with ESTALE. Tried once on this process, through init's
// pidfd and with none of its own open, so that it also shows that being found does not depend on
// one.
bool ExactIds::can_look_up(int mount) {
  if (!can_look_up_) {
    std::optional<std::uint64_t> own;
    {
      FileDescriptor pidfd;
      if (pidfd_open(static_cast<Pid>(::getpid()), pidfd) != 0) return false;
      own = of(pidfd.get());
    }
    FileDescriptor found;
    can_look_up_ = own && pidfd_open_by_inode(mount, *own, found) == 0 && of(found.get()) == own;
  }
  return *can_look_up_;
}

}  // namespace pidentity
