// A file descriptor, closed exactly once.
#ifndef PIDENTITY_NATIVE_LINUX_FILE_DESCRIPTOR_H_
#define PIDENTITY_NATIVE_LINUX_FILE_DESCRIPTOR_H_

#include "linux/system_call.h"
#include "unique_handle.h"

namespace pidentity {

struct FileDescriptorTraits {
  using Handle = int;
  static constexpr Handle invalid() { return -1; }
  // Never repeated on EINTR: Linux has freed the number by then, another thread may already own it.
  static void close(Handle fd) { system_call(SYS_close, fd); }
};

using FileDescriptor = UniqueHandle<FileDescriptorTraits>;

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_FILE_DESCRIPTOR_H_
