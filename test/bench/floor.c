// The floor under pidentity's figures: what the bare system calls cost in C, on this machine, now.
// Linux. Every operation makes exactly the system calls of the addon (native/linux/process.cc), in
// the same order and with read sizes of the same order, and looks at nothing that they bring.
//
//   cc -O2 -o floor test/bench/floor.c
//   ./floor <pid> [samples]   all operations, the median nanoseconds of each, as one JSON object
//   ./floor                   serves requests: each line `<operation> <pid> <samples> <batch>` on
//                             standard input is answered by one line, a JSON array of the
//                             nanoseconds of one operation, one number per sample (the mean of
//                             `batch` operations). This is how process.mjs interleaves its rounds
//                             with this program's.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { kBatch = 200, kMaxSamples = 10000 };

static pid_t target;
static char stat_path[64];
static char cmdline_path[64];
static char stat_line[2048];           // as ProcDirectory::read_stat
static char command_line_area[16384];  // as ByteBuffer

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_pidfd(void) {
  const int fd = (int)syscall(SYS_pidfd_open, target, 0);
  if (fd < 0) fail("pidfd_open");
  return fd;
}

static void expect_running(int pidfd) {
  struct pollfd exited = {pidfd, POLLIN, 0};
  if (poll(&exited, 1, 0) < 0) fail("poll");
  if (exited.revents != 0) {
    fprintf(stderr, "the target has exited: %d\n", (int)target);
    exit(1);
  }
}

static void read_file(const char* path, char* buffer, size_t capacity) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  const ssize_t count = pread(fd, buffer, capacity, 0);
  if (count < 0) fail(path);
  // The addon would need another read here: no longer the same system calls.
  if ((size_t)count == capacity) {
    fprintf(stderr, "file is too long for one read: %s\n", path);
    exit(1);
  }
  close(fd);
}

static void read_stat(void) { read_file(stat_path, stat_line, sizeof stat_line); }

static void read_command_line(void) {
  read_file(cmdline_path, command_line_area, sizeof command_line_area);
}

static void is_alive(void) {
  const int fd = open_pidfd();
  expect_running(fd);
  close(fd);
}

static void args(void) {
  const int fd = open_pidfd();
  read_stat();
  read_command_line();
  expect_running(fd);
  close(fd);
}

static void inspect_without_args(void) {
  const int fd = open_pidfd();
  read_stat();
  expect_running(fd);
  close(fd);
}

static void identity(void) {
  const int fd = open_pidfd();
  read_stat();
  expect_running(fd);
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat");
  close(fd);
}

static const struct {
  const char* name;
  void (*run)(void);
} kOperations[] = {
    {"isAlive", is_alive},
    {"startTime", read_stat},
    {"args", args},
    {"inspect", args},  // the same system calls, and two clocks of the vDSO
    {"inspectWithoutArgs", inspect_without_args},
    {"identity", identity},
};
enum { kOperationCount = sizeof kOperations / sizeof *kOperations };

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void aim_at(int pid) {
  target = (pid_t)pid;
  snprintf(stat_path, sizeof stat_path, "/proc/%d/stat", pid);
  snprintf(cmdline_path, sizeof cmdline_path, "/proc/%d/cmdline", pid);
}

static void measure(void (*operation)(void), int count, int batch, double* samples) {
  for (int i = 0; i < batch; ++i) operation();  // warms up: caches, and a core that was asleep
  for (int sample = 0; sample < count; ++sample) {
    const double started = now_ns();
    for (int i = 0; i < batch; ++i) operation();
    samples[sample] = (now_ns() - started) / batch;
  }
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

static double samples[kMaxSamples];

static int print_all(int pid, int count) {
  aim_at(pid);
  printf("{\n");
  for (size_t i = 0; i < kOperationCount; ++i) {
    measure(kOperations[i].run, count, kBatch, samples);
    qsort(samples, (size_t)count, sizeof *samples, by_value);
    printf("  \"%s\": %.1f%s\n", kOperations[i].name, samples[count / 2],
           i + 1 < kOperationCount ? "," : "");
  }
  printf("}\n");
  return 0;
}

static int serve(void) {
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char name[32];
    int pid = 0;
    int count = 0;
    int batch = 0;
    void (*operation)(void) = NULL;
    if (sscanf(line, "%31s %d %d %d", name, &pid, &count, &batch) == 4) {
      for (size_t i = 0; i < kOperationCount; ++i) {
        if (strcmp(kOperations[i].name, name) == 0) operation = kOperations[i].run;
      }
    }
    if (operation == NULL || pid <= 0 || count <= 0 || count > kMaxSamples || batch <= 0) {
      fprintf(stderr, "bad request: %s", line);
      return 2;
    }
    aim_at(pid);
    measure(operation, count, batch, samples);
    for (int i = 0; i < count; ++i) printf("%c%.1f", i == 0 ? '[' : ',', samples[i]);
    printf("]\n");
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 1) return serve();
  const int pid = atoi(argv[1]);
  const int count = argc > 2 ? atoi(argv[2]) : 101;
  if (pid <= 0 || count <= 0 || count > kMaxSamples) {
    fprintf(stderr, "usage: floor [pid [samples]]\n");
    return 2;
  }
  return print_all(pid, count);
}
