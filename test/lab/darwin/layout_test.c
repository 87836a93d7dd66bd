// The fear: the stand-in headers describe another kernel than Apple's. One list of facts that has
// to hold for both; run.mjs compiles it with the one and, where the cross compiler is installed,
// with the other. It has nothing to run.
#include <stddef.h>
#include <sys/mount.h>
#include <sys/proc.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#include <time.h>

#define HOLDS(fact) _Static_assert(fact, #fact)

HOLDS(sizeof(struct extern_proc) == 296);
HOLDS(sizeof(struct kinfo_proc) == 648);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_starttime) == 0);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_starttime.tv_sec) == 0);
HOLDS(sizeof(((struct kinfo_proc*)0)->kp_proc.p_starttime.tv_sec) == 8);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_starttime.tv_usec) == 8);
HOLDS(sizeof(((struct kinfo_proc*)0)->kp_proc.p_starttime.tv_usec) == 4);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_flag) == 32);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_stat) == 36);
HOLDS(offsetof(struct kinfo_proc, kp_proc.p_pid) == 40);
HOLDS(offsetof(struct kinfo_proc, kp_eproc) == 296);
HOLDS(offsetof(struct kinfo_proc, kp_eproc.e_ucred.cr_uid) == 420);
HOLDS(offsetof(struct kinfo_proc, kp_eproc.e_ppid) == 560);
HOLDS(offsetof(struct kinfo_proc, kp_eproc.e_pgid) == 564);

HOLDS(sizeof(struct proc_bsdshortinfo) == 64);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_pid) == 0);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_ppid) == 4);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_status) == 12);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_comm) == 16);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_flags) == 32);
HOLDS(offsetof(struct proc_bsdshortinfo, pbsi_uid) == 36);

HOLDS(sizeof(struct statfs) == 2168);
HOLDS(offsetof(struct statfs, f_type) == 60);
HOLDS(sizeof(((struct statfs*)0)->f_type) == 4);

HOLDS(CLOCK_UPTIME_RAW == 8);
HOLDS(PROC_PIDT_SHORTBSDINFO == 13);
HOLDS(PROC_FLAG_INEXIT == 4);
HOLDS(SRUN == 2 && SSLEEP == 3 && SSTOP == 4 && SZOMB == 5);
HOLDS(CTL_KERN == 1 && KERN_ARGMAX == 8 && KERN_PROC == 14 && KERN_PROCARGS2 == 49);
HOLDS(KERN_PROC_PID == 1);
