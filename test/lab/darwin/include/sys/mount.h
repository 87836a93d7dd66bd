// Stand-in for Apple's header of this name: statfs in its 64-bit layout (see layout_test.c), the
// fields that are not read here as gaps.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_SYS_MOUNT_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_SYS_MOUNT_H_

#include <stdint.h>

struct statfs {
  char gap_0[60];
  uint32_t f_type;
  char gap_64[2104];
};

#ifdef __cplusplus
extern "C" {
#endif

int fstatfs(int fd, struct statfs* status);

#ifdef __cplusplus
}
#endif

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_SYS_MOUNT_H_
