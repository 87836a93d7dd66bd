// Runs a command as its child, with its own input and output, and never reaps it. Ends when killed,
// and its child with it.
//   never-reaps <command> [argument...]
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  const pid_t child = fork();
  if (child == -1) return 1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  for (;;) pause();
}
