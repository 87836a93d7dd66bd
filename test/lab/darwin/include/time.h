// Stand-in for Apple's header of this name: this machine's own, with a clock that only XNU has.
// Asking any clock asks the stand-in for the kernel.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_TIME_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_TIME_H_

#include_next <time.h>

#define CLOCK_UPTIME_RAW 8

#ifdef __cplusplus
extern "C" {
#endif

int stand_in_clock_gettime(clockid_t clock, struct timespec* time);

#ifdef __cplusplus
}
#endif

#define clock_gettime stand_in_clock_gettime

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_TIME_H_
