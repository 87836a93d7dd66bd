// The exact id of a process: the inode number of its pidfd on pidfs.
#ifndef PIDENTITY_NATIVE_LINUX_EXACT_ID_H_
#define PIDENTITY_NATIVE_LINUX_EXACT_ID_H_

#include <cstdint>
#include <optional>

#include "linux/file_descriptor.h"
#include "linux/own_namespaces.h"
#include "process.h"

namespace pidentity {

class ExactIds {
 public:
  // Empty before Linux 6.9, and on 32-bit kernels.
  std::optional<std::uint64_t> of(int pidfd);

  // Empty when there is none such, and where finding one is not possible.
  void open(std::uint64_t wanted, FileDescriptor& pidfd);

  // ProcessReader::by_exact_id().
  Liveness look_up(std::uint64_t wanted, OwnNamespaces& own);

 private:
  bool can_look_up(int mount);

  // Constant for a kernel; asked once.
  std::optional<bool> have_ids_;
  std::optional<bool> can_look_up_;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_EXACT_ID_H_
