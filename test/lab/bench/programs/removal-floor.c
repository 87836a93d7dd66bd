// removal-floor WAY DIRECTORY: removes every lock of a directory with the system calls that a sweep
// makes for each stale lock, in the same order, and prints the milliseconds taken. WAY is one of
// lock-calls.h: `plain` reads and unlinks, without protection.
//
//   cc -O2 -o removal-floor test/lab/bench/programs/removal-floor.c
#define _GNU_SOURCE
#include <dirent.h>
#include <time.h>

#include "lock-calls.h"

static const struct {
  const char* name;
  void (*remove)(const struct lock_paths*);
} kWays[] = {
    {"plain", plain_remove},
    {"guard-file", guard_file_remove},
    {"inode", inode_remove},
};

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
  void (*remove_lock)(const struct lock_paths*) = NULL;
  for (size_t i = 0; argc == 3 && i < sizeof kWays / sizeof *kWays; ++i) {
    if (strcmp(kWays[i].name, argv[1]) == 0) remove_lock = kWays[i].remove;
  }
  if (remove_lock == NULL) {
    fprintf(stderr, "usage: removal-floor plain|guard-file|inode DIRECTORY\n");
    return 2;
  }
  const double started = now_ms();
  struct dirent** names;
  const int count = scandir(argv[2], &names, NULL, alphasort);
  if (count < 0) fail(argv[2]);
  for (int i = 0; i < count; ++i) {
    if (names[i]->d_type != DT_REG) continue;
    char path[kMaxLockPath];
    snprintf(path, sizeof path, "%s/%s", argv[2], names[i]->d_name);
    const struct lock_paths paths = paths_of_lock(path);
    remove_lock(&paths);
  }
  printf("%.3f\n", now_ms() - started);
  return 0;
}
