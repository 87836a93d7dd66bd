// Stand-in for Apple's header of this name: one flavor of one call, and a type of the other, in its
// real layout (see layout_test.c).
#ifndef PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_INFO_H_
#define PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_INFO_H_

#include <stdint.h>

#define PROC_ALL_PIDS 1
#define PROC_PIDT_SHORTBSDINFO 13
#define PROC_FLAG_INEXIT 4

struct proc_bsdshortinfo {
  uint32_t pbsi_pid;
  uint32_t pbsi_ppid;
  uint32_t pbsi_pgid;
  uint32_t pbsi_status;
  char pbsi_comm[16];
  uint32_t pbsi_flags;
  uint32_t pbsi_uid;
  uint32_t pbsi_gid;
  uint32_t pbsi_ruid;
  uint32_t pbsi_rgid;
  uint32_t pbsi_svuid;
  uint32_t pbsi_svgid;
  uint32_t pbsi_rfu;
};

#endif  // PIDENTITY_TEST_NATIVE_DARWIN_SYS_PROC_INFO_H_
