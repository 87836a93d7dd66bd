// A tree of processes that keeps forking: the first one keeps WIDTH children, each of these keeps
// WIDTH leaves, and leaves live for 50 to 1000 ms and are replaced. All have the standard output of
// the first open: it ends with the last of them.
//   fork-storm <width> [ignore] [orphans] [own-sessions]
//     ignore        all ignore SIGTERM
//     orphans       one leaf in four forks a process that outlives it by as long, and goes to
//     process 1 own-sessions  each child of the first one founds a session
// Prints its pid once the tree is complete. All end with the first one's input, or after a minute.
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_LIFE_S = 60 };

struct Shared {
  atomic_int over;
  atomic_int leaves;
  atomic_llong deadline;
};

static struct Shared* shared;
static int width;
static int orphans;
static int own_sessions;
static unsigned seed;

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int is_over(void) {
  return atomic_load(&shared->over) || now_ms() > atomic_load(&shared->deadline);
}

static void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&time, &time) != 0) {
  }
}

static long lifetime(void) { return 50 + rand_r(&seed) % 950; }

static void live(long ms) {
  const long long end = now_ms() + ms;
  while (now_ms() < end && !is_over()) sleep_ms(ms < 100 ? ms : 100);
}

static void leaf(void) {
  seed = (unsigned)getpid();
  atomic_fetch_add(&shared->leaves, 1);
  live(lifetime());
  if (orphans && getpid() % 4 == 0 && fork() == 0) live(lifetime());
  _exit(0);
}

// Keeps `width` children alive; `run` never returns.
static void keep(void (*run)(void)) {
  int children = 0;
  while (!is_over()) {
    while (children < width) {
      const pid_t child = fork();
      if (child == 0) run();
      if (child < 0) break;
      children++;
    }
    if (waitpid(-1, NULL, 0) > 0) children--;
  }
  _exit(0);
}

static void branch(void) {
  if (own_sessions) setsid();
  keep(leaf);
}

static void watch_input(void) {
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  atomic_store(&shared->over, 1);
  _exit(0);
}

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  width = atoi(argv[1]);
  for (int i = 2; i < argc; i++) {
    if (strcmp(argv[i], "ignore") == 0) signal(SIGTERM, SIG_IGN);
    if (strcmp(argv[i], "orphans") == 0) orphans = 1;
    if (strcmp(argv[i], "own-sessions") == 0) own_sessions = 1;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  atomic_store(&shared->deadline, now_ms() + LONGEST_LIFE_S * 1000LL);
  if (fork() == 0) watch_input();
  if (fork() == 0) {
    while (atomic_load(&shared->leaves) < width * width) sleep_ms(1);
    printf("%d\n", (int)getppid());
    fflush(stdout);
    _exit(0);
  }
  keep(branch);
}
