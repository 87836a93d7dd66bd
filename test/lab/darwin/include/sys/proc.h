// Stand-in for Apple's header of this name: process states, as XNU numbers them.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_H_

#define SIDL 1
#define SRUN 2
#define SSLEEP 3
#define SSTOP 4
#define SZOMB 5

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_H_
