// Rewrites its own argument area, then prints "ready" and waits for the end of its input.
//   retitle fill <text>     writes <text> and fills the rest of the area with NULs, like Node does
//   retitle overrun <extra> overwrites the whole area and <extra> bytes of the environment behind
//   it
//                           with 'T', like setproctitle(3) does with a long title
//   retitle unterminated    joins its arguments by spaces and ends them by one, without any NUL:
//   the
//                           kernel reads on into the first environment string, which nobody rewrote
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
  char byte;
  if (argc < 2) return 1;
  char* const area = argv[0];
  char* const end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
  const size_t length = (size_t)(end - area);
  // The kernel lays the environment out right behind the arguments.
  if (environ[0] != end) return 1;
  char mode[32], text[256] = "";
  snprintf(mode, sizeof mode, "%s", argv[1]);
  if (argc > 2) snprintf(text, sizeof text, "%s", argv[2]);

  if (strcmp(mode, "fill") == 0) {
    if (strlen(text) >= length) return 1;
    memset(area, 0, length);
    memcpy(area, text, strlen(text));
  } else if (strcmp(mode, "overrun") == 0) {
    const size_t extra = (size_t)atoi(text);
    memset(area, 'T', length + extra);
    area[length + extra] = '\0';
  } else if (strcmp(mode, "unterminated") == 0) {
    for (char* at = area; at < end; at++) {
      if (*at == '\0') *at = ' ';
    }
  } else {
    return 1;
  }
  puts("ready");
  fflush(stdout);
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
