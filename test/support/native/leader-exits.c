// A process whose first thread has exited while another one runs: Linux shows the leader as a
// zombie, with two threads. Prints the id of the thread that is left; ends with its input.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int leader_is_zombie(void) {
  char line[512], path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
  FILE* const file = fopen(path, "r");
  if (file == NULL) exit(1);
  const size_t length = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[length] = '\0';
  const char* const name_end = strrchr(line, ')');
  return name_end != NULL && name_end[2] == 'Z';
}

static void* stay(void* unused) {
  char byte;
  (void)unused;
  while (!leader_is_zombie()) usleep(1000);
  printf("%ld\n", syscall(SYS_gettid));
  fflush(stdout);
  while (read(0, &byte, 1) > 0) {
  }
  exit(0);
}

int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, stay, NULL) != 0) return 1;
  pthread_exit(NULL);
}
