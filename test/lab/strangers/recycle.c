// Gives one pid to one process after the other (clone3 with set_tid; root, in its own pid
// namespace), and counts the SIGTERMs that each gets.
//   recycle <pid> <generations> <file> <longest life in microseconds>
// Shows in the file, which others read while it goes on: 4 bytes, twice the number of the process
// that has the pid, one more while it is being replaced; behind them one byte for each number, how
// many SIGTERMs that process got. Prints "ready" with the first one. Ends with its input or with
// the last one, and prints how many there were.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct Shown {
  _Atomic uint32_t state;
  _Atomic uint8_t signals[];
};

static struct Shown* shown;
static uint32_t generation;
static volatile sig_atomic_t is_over;

static void count(int signal) {
  (void)signal;
  if (atomic_load(&shown->signals[generation]) < UINT8_MAX)
    atomic_fetch_add(&shown->signals[generation], 1);
}

static void end(int signal) {
  (void)signal;
  is_over = 1;
}

// SIGUSR1 ends it. SIGTERM that comes with it is handled as well, before or after, and one that
// comes later is looked for.
static int live(void* unblocked) {
  sigset_t pending;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (!is_over) sigsuspend(unblocked);
  if (sigpending(&pending) == 0 && sigismember(&pending, SIGTERM)) count(SIGTERM);
  _exit(0);
}

static char stack[65536] __attribute__((aligned(16)));

// The kernel gives the next number that is free.
static pid_t make(int last_pid, const char* before, sigset_t* unblocked) {
  if (pwrite(last_pid, before, strlen(before), 0) < 0) return -1;
  return clone(live, stack + sizeof stack, CLONE_VM | SIGCHLD, unblocked);
}

static void replace(pid_t child) {
  kill(child, SIGUSR1);
  waitpid(child, NULL, 0);
}

int main(int argc, char** argv) {
  if (argc != 5) return 1;
  const pid_t wanted = (pid_t)atoi(argv[1]);
  char before[16];
  snprintf(before, sizeof before, "%d", (int)wanted - 1);
  const int last_pid = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
  const uint32_t generations = (uint32_t)strtoul(argv[2], NULL, 10);
  const size_t size = sizeof *shown + generations;
  const int file = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0600);
  const long longest = atol(argv[4]);
  if (last_pid < 0 || file < 0 || ftruncate(file, (off_t)size) != 0) return 1;
  shown = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shown == MAP_FAILED) return 1;
  // A child has the handlers from its first instruction on, and runs them only where it waits.
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = count;
  sigaction(SIGTERM, &action, NULL);
  action.sa_handler = end;
  sigaction(SIGUSR1, &action, NULL);
  sigset_t blocked;
  sigset_t unblocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &unblocked);
  prctl(PR_SET_TIMERSLACK, 1);
  setvbuf(stdout, NULL, _IOLBF, 0);
  unsigned seed = 1;
  for (generation = 1; generation < generations; generation++) {
    is_over = 0;
    pid_t child = make(last_pid, before, &unblocked);
    // Another process of the namespace has forked in between.
    while (child > 0 && child != wanted) {
      replace(child);
      is_over = 0;
      child = make(last_pid, before, &unblocked);
    }
    if (child < 0) {
      perror("ns_last_pid, clone");
      return 1;
    }
    atomic_store(&shown->state, 2 * generation);
    if (generation == 1) puts("ready");
    const struct timespec life = {0, rand_r(&seed) % longest * 1000L};
    nanosleep(&life, NULL);
    atomic_store(&shown->state, 2 * generation + 1);
    replace(child);
    struct pollfd input = {0, POLLIN, 0};
    if (poll(&input, 1, 0) > 0) break;
  }
  printf("%u\n", generation);
  return 0;
}
