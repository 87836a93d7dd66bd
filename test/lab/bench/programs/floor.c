// The floor under pidentity's figures: what the bare system calls cost in C, on this machine, now.
// Linux. Every operation makes the system calls of the package, in the same order and with read
// sizes of the same order, and looks at nothing that they bring: those about a process the addon's
// (native/linux/process.cc), those about a lock the lock protocol's (lock-calls.h).
//
//   cc -O2 -pthread -o floor test/lab/bench/programs/floor.c
//   ./floor   serves requests: each line on standard input
//                 <operation> <target> <samples> <batch>
//             is answered by one line, a JSON array of the nanoseconds of one operation, one number
//             per sample (the mean of `batch` operations). The target is a pid, or for a lock the
//             session file; several pids, separated by commas, are one operation on each of them.
//             This is how the suites interleave their rounds with this program's.
//   ./floor --thread
//             the same beside an idle thread, as Node always has some: threads share their
//             descriptors, and the kernel then counts who is using one in every call.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "lock-calls.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { kMaxSamples = 10000 };

static struct target {
  pid_t pid;
  char stat_path[32];
  char cmdline_path[32];
} targets[512];
static size_t target_count;
static const struct target* target;    // the one asked about now
static char stat_line[2048];           // as ProcDirectory::read_stat
static char command_line_area[16384];  // as ByteBuffer
static struct lock_paths lock;         // of the session file asked about

static void aim_at_process(pid_t pid, struct target* aimed) {
  aimed->pid = pid;
  snprintf(aimed->stat_path, sizeof aimed->stat_path, "/proc/%d/stat", (int)pid);
  snprintf(aimed->cmdline_path, sizeof aimed->cmdline_path, "/proc/%d/cmdline", (int)pid);
}

static int open_pidfd(void) {
  const int fd = (int)syscall(SYS_pidfd_open, target->pid, 0);
  if (fd < 0) fail("pidfd_open");
  return fd;
}

static void expect_running(int pidfd) {
  struct pollfd exited = {pidfd, POLLIN, 0};
  if (poll(&exited, 1, 0) < 0) fail("poll");
  if (exited.revents != 0) {
    fprintf(stderr, "the target has exited: %d\n", (int)target->pid);
    exit(1);
  }
}

static int open_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  return fd;
}

static void read_file(int fd, char* buffer, size_t capacity) {
  const ssize_t count = pread(fd, buffer, capacity, 0);
  if (count < 0) fail("pread");
  // The addon would need another read here: no longer the same system calls.
  if ((size_t)count == capacity) {
    fprintf(stderr, "a file of the target is too long for one read: %d\n", (int)target->pid);
    exit(1);
  }
}

static void read_stat(int fd) { read_file(fd, stat_line, sizeof stat_line); }

static void is_alive(void) {
  const int fd = open_pidfd();
  expect_running(fd);
  close(fd);
}

static void start_time(void) {
  const int fd = open_file(target->stat_path);
  read_stat(fd);
  close(fd);
}

static void expect_present(void) {
  errno = 0;
  if (getpriority(PRIO_PROCESS, (id_t)target->pid) == -1 && errno != 0) fail("getpriority");
}

static void args(void) {
  expect_present();
  const int stat_fd = open_file(target->stat_path);
  const int cmdline_fd = open_file(target->cmdline_path);
  read_stat(stat_fd);
  read_file(cmdline_fd, command_line_area, sizeof command_line_area);
  close(cmdline_fd);
  close(stat_fd);
}

static void inspect_without_args(void) {
  expect_present();
  start_time();
}

static void identity(void) {
  const int fd = open_pidfd();
  const int stat_fd = open_file(target->stat_path);
  read_stat(stat_fd);
  expect_running(fd);
  close(stat_fd);
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat");
  close(fd);
}

// One process of a list, which may have ended by now.
static void inspect_listed(const struct target* listed, int with_args) {
  errno = 0;
  if (getpriority(PRIO_PROCESS, (id_t)listed->pid) == -1 && errno != 0) return;
  const int stat_fd = open(listed->stat_path, O_RDONLY | O_CLOEXEC);
  if (stat_fd < 0) return;
  const int cmdline_fd = with_args ? open(listed->cmdline_path, O_RDONLY | O_CLOEXEC) : -1;
  if (pread(stat_fd, stat_line, sizeof stat_line, 0) < 0 && errno != ESRCH) fail("pread");
  if (cmdline_fd >= 0) {
    if (pread(cmdline_fd, command_line_area, sizeof command_line_area, 0) < 0 && errno != ESRCH) {
      fail("pread");
    }
    close(cmdline_fd);
  }
  close(stat_fd);
}

// linux/dirent.h has no declaration for programs.
struct directory_entry {
  unsigned long inode;
  long offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

static void list_all(int with_args) {
  static pid_t pids[1 << 16];
  size_t count = 0;
  const int directory = open_file("/proc");
  _Alignas(struct directory_entry) static char entries[32 * 1024];
  long filled;
  while ((filled = syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0) {
    for (long at = 0; at < filled;) {
      const struct directory_entry* const entry = (const void*)(entries + at);
      const pid_t pid = (pid_t)strtol(entry->name, NULL, 10);
      if (pid > 0 && count < sizeof pids / sizeof *pids) pids[count++] = pid;
      at += entry->length;
    }
  }
  if (filled < 0) fail("getdents64");
  close(directory);
  for (size_t i = 0; i < count; ++i) {
    struct target listed;
    aim_at_process(pids[i], &listed);
    inspect_listed(&listed, with_args);
  }
}

// The target is any pid: it is not asked about.
static void list(void) { list_all(1); }
static void list_without_args(void) { list_all(0); }

static void create_unlink(void) { plain_create_unlink(&lock); }
static void by_guard_file(void) { guard_file_acquire_release(&lock); }
static void by_inode(void) { inode_acquire_release(&lock); }

static const struct {
  const char* name;
  void (*run)(void);
} kOperations[] = {
    {"isAlive", is_alive},
    {"startTime", start_time},
    {"args", args},
    {"inspect", args},  // the same system calls, and two clocks of the vDSO
    {"inspectWithoutArgs", inspect_without_args},
    {"identity", identity},
    {"list", list},
    {"listWithoutArgs", list_without_args},
    {"createUnlink", create_unlink},
    {"acquireRelease:guard-file", by_guard_file},
    {"acquireRelease:inode", by_inode},
};
enum { kOperationCount = sizeof kOperations / sizeof *kOperations };

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// Pids, separated by commas. False for anything else.
static int aim_at_processes(const char* text) {
  for (target_count = 0; target_count < sizeof targets / sizeof *targets;) {
    char* end = NULL;
    const pid_t pid = (pid_t)strtol(text, &end, 10);
    aim_at_process(pid, &targets[target_count++]);
    if (pid <= 0) return 0;
    if (*end == '\0') return 1;
    if (*end != ',') return 0;
    text = end + 1;
  }
  return 0;
}

// False for a target that is neither pids nor an absolute path.
static int aim_at(const char* text) {
  if (text[0] != '/') return aim_at_processes(text);
  target_count = 1;
  char path[kMaxLockPath];
  snprintf(path, sizeof path, "%.4000s.lock", text);
  lock = paths_of_lock(path);
  return 1;
}

static void run_batch(void (*operation)(void), int batch) {
  for (int i = 0; i < batch; ++i) {
    for (target = targets; target < targets + target_count; ++target) operation();
  }
}

static void measure(void (*operation)(void), int count, int batch, double* samples) {
  run_batch(operation, batch);  // warms up: caches, and a core that was asleep
  for (int sample = 0; sample < count; ++sample) {
    const double started = now_ns();
    run_batch(operation, batch);
    samples[sample] = (now_ns() - started) / batch;
  }
}

static void* idle(void* unused) {
  for (;;) pause();
  return unused;
}

static double samples[kMaxSamples];

int main(int argc, char** argv) {
  pthread_t thread;
  if (argc == 2 && strcmp(argv[1], "--thread") == 0) {
    if (pthread_create(&thread, NULL, idle, NULL) != 0) fail("pthread_create");
  } else if (argc != 1) {
    fprintf(stderr, "unknown option: %s\n", argv[1]);
    return 2;
  }
  static char line[kMaxLockPath];
  static char aim[kMaxLockPath];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char name[32];
    int count = 0;
    int batch = 0;
    void (*operation)(void) = NULL;
    if (sscanf(line, "%31s %4000s %d %d", name, aim, &count, &batch) == 4) {
      for (size_t i = 0; i < kOperationCount; ++i) {
        if (strcmp(kOperations[i].name, name) == 0) operation = kOperations[i].run;
      }
    }
    if (operation == NULL || !aim_at(aim) || count <= 0 || count > kMaxSamples || batch <= 0) {
      fprintf(stderr, "bad request: %s", line);
      return 2;
    }
    measure(operation, count, batch, samples);
    for (int i = 0; i < count; ++i) printf("%c%.1f", i == 0 ? '[' : ',', samples[i]);
    printf("]\n");
    fflush(stdout);
  }
  return 0;
}
