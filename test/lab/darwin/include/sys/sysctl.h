// Stand-in for Apple's header of this name: kinfo_proc in its real 64-bit layout (see
// layout_test.c), the fields that nobody here reads as gaps.
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_SYS_SYSCTL_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_SYS_SYSCTL_H_

#include <stddef.h>
#include <stdint.h>

#define CTL_KERN 1
#define KERN_ARGMAX 8
#define KERN_PROC 14
#define KERN_PROC_PID 1
#define KERN_PROCARGS2 49

struct stand_in_timeval {
  int64_t tv_sec;
  int32_t tv_usec;
  int32_t gap;
};

struct extern_proc {
  struct stand_in_timeval p_starttime;
  char gap_16[16];
  int p_flag;
  char p_stat;
  int p_pid;
  char gap_44[252];
};

struct stand_in_ucred {
  int32_t cr_ref;
  uint32_t cr_uid;
  char gap_8[68];
};

struct stand_in_eproc {
  char gap_0[120];
  struct stand_in_ucred e_ucred;
  char gap_196[68];
  int e_ppid;
  int e_pgid;
  char gap_272[80];
};

struct kinfo_proc {
  struct extern_proc kp_proc;
  struct stand_in_eproc kp_eproc;
};

#ifdef __cplusplus
extern "C" {
#endif

int sysctl(int* name, unsigned int name_length, void* old, size_t* old_length, void* fresh,
           size_t fresh_length);
int sysctlbyname(const char* name, void* old, size_t* old_length, void* fresh, size_t fresh_length);

#ifdef __cplusplus
}
#endif

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_SYS_SYSCTL_H_
