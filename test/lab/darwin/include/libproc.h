// Stand-in for Apple's header of this name: what native/darwin needs of it, nothing more.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_LIBPROC_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_LIBPROC_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int proc_pidinfo(int pid, int flavor, uint64_t arg, void* buffer, int buffersize);
int proc_listpids(uint32_t type, uint32_t typeinfo, void* buffer, int buffersize);

#ifdef __cplusplus
}
#endif

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_LIBPROC_H_
