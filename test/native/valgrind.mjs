/** The command that runs a program under Valgrind: any error and any leak becomes exit code 9. */
export const VALGRIND = [
  "valgrind",
  "--quiet",
  "--error-exitcode=9",
  "--leak-check=full",
  "--errors-for-leak-kinds=definite,possible",
];
