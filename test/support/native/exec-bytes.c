// Executes <file> with arguments that no JavaScript string can hold:
//   exec-bytes <file> <hex>…   each <hex> is the bytes of one argument, e.g. "ff78" or "" for none
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  char** const args = calloc((size_t)argc, sizeof *args);
  if (args == NULL) return 2;
  for (int i = 2; i < argc; i++) {
    const size_t length = strlen(argv[i]) / 2;
    char* const bytes = calloc(length + 1, 1);
    if (bytes == NULL) return 2;
    for (size_t at = 0; at < length; at++) {
      const char digits[3] = {argv[i][2 * at], argv[i][2 * at + 1], '\0'};
      bytes[at] = (char)strtol(digits, NULL, 16);
    }
    args[i - 2] = bytes;
  }
  execv(argv[1], args);
  perror(argv[1]);
  return 2;
}
