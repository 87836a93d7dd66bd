// Stand-in for Apple's header of this name: what native/darwin needs of it, nothing more.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_GETHOSTUUID_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_GETHOSTUUID_H_

#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned char uuid_t[16];

int gethostuuid(uuid_t uuid, const struct timespec* timeout);

#ifdef __cplusplus
}
#endif

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_GETHOSTUUID_H_
