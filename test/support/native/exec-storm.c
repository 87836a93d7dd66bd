// Executes itself again and again, by turns with a short and a long command line, until its parent
// is gone:
//   exec-storm short
//   exec-storm long <argument>…   (COUNT of them)
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COUNT 40

int main(int argc, char** argv) {
  static char argument[] = "an argument of the long command line";
  char* args[COUNT + 3];
  int count = 0;
  (void)argc;
  // Kept over execve; the first program's parent may have died before this line.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) return 0;
  args[count++] = argv[0];
  if (argv[1] != NULL && strcmp(argv[1], "short") == 0) {
    args[count++] = "long";
    for (int i = 0; i < COUNT; i++) args[count++] = argument;
  } else {
    args[count++] = "short";
  }
  args[count] = NULL;
  execv("/proc/self/exe", args);
  perror("execv");
  return 2;
}
