// removal-floor DIRECTORY PID: removes every lock of a directory with the system calls that a sweep
// makes for each stale lock, in the same order, and prints the milliseconds taken. The owner's
// argument vector would have decided, so that the look inside the guard asks whether PID still
// runs.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kReading = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC };

static char buffer[64 * 1024 + 1];

static void check(int done, const char* what) {
  if (done) return;
  perror(what);
  exit(1);
}

static int open_checked(const char* path, int flags) {
  const int fd = open(path, flags, 0666);
  check(fd >= 0, path);
  return fd;
}

static void remove_lock(const char* lock, int owner) {
  char guard[4096];
  char foreign[4096];
  snprintf(guard, sizeof guard, "%s.guard", lock);
  snprintf(foreign, sizeof foreign, "%s.reclaim", lock);
  struct stat by_path;
  struct stat by_descriptor;

  int fd = open_checked(lock, kReading);
  check(read(fd, buffer, sizeof buffer) > 0, lock);
  close(fd);

  check(access(foreign, F_OK) != 0, foreign);
  const int guard_fd = open_checked(guard, kReading | O_CREAT);
  check(flock(guard_fd, LOCK_EX | LOCK_NB) == 0, guard);
  check(lstat(guard, &by_path) == 0 && fstat(guard_fd, &by_descriptor) == 0 &&
            by_path.st_ino == by_descriptor.st_ino,
        guard);
  fd = open_checked(lock, kReading);
  check(fstat(fd, &by_descriptor) == 0 && S_ISREG(by_descriptor.st_mode), lock);
  check(read(fd, buffer, sizeof buffer) > 0, lock);
  close(fd);
  struct pollfd exited = {.fd = owner, .events = POLLIN};
  check(poll(&exited, 1, 0) == 0, "owner");
  check(unlink(lock) == 0, lock);
  check(unlink(guard) == 0, guard);
  close(guard_fd);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
  check(argc == 3, "usage: removal-floor DIRECTORY PID");
  const int owner = (int)syscall(SYS_pidfd_open, atoi(argv[2]), 0);
  check(owner >= 0, "pidfd_open");
  const double started = now_ms();
  struct dirent** names;
  const int count = scandir(argv[1], &names, NULL, alphasort);
  check(count >= 0, argv[1]);
  for (int i = 0; i < count; ++i) {
    if (names[i]->d_type != DT_REG) continue;
    char path[4000];
    snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
    remove_lock(path, owner);
  }
  printf("%.3f\n", now_ms() - started);
  return 0;
}
