// A process in uninterruptible sleep (state D): a parent in vfork() waits like that until its child
// exits. The child prints "ready" and ends with its input.
#include <unistd.h>

int main(void) {
  const pid_t child = vfork();
  if (child == -1) return 1;
  if (child == 0) {
    char byte;
    if (write(1, "ready\n", 6) != 6) _exit(1);
    while (read(0, &byte, 1) > 0) {
    }
    _exit(0);
  }
  return 0;
}
