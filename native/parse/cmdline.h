// Parser of Linux's /proc/<pid>/cmdline. Pure: no I/O and no allocation; compiled on every
// platform.
//
// The file holds the target's argument area, each argument ended by a NUL. Programs may overwrite
// that area with a title, which makes two things of one shape:
//
//   bytes                  arguments        why
//   (none)                 none             kernel thread, exited leader, execve() with no
//   arguments
//   "\0"                   ""               one empty argument
//   "a\0b\0"               "a" "b"
//   "a\0b"                 "a" "b"          a missing final NUL still ends the last one
//   "a\0b\0\0"             "a" "b" ""       empty arguments survive, trailing ones too
//   "a title\0\0\0"        "a title"        one lone string, then nothing but NULs, two or more in
//                                           all: a title and its padding (Node, setproctitle)
//   "\0\0"                 ""               likewise: an empty title
//
// The kernel lets a title run from the argument area into the environment behind it
// (fs/proc/base.c get_mm_cmdline: when the area's last byte is not NUL, it delivers on to the first
// NUL beyond). Whether those bytes are title or environment cannot be told, so everything beyond
// the area is dropped whenever its length is known.
#ifndef PIDENTITY_NATIVE_PARSE_CMDLINE_H_
#define PIDENTITY_NATIVE_PARSE_CMDLINE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pidentity {

class CommandLine {
 public:
  // `bytes`: the whole file; it must outlive this object. `area_length`: arg_end - arg_start of
  // /proc/<pid>/stat, 0 when unknown.
  CommandLine(std::string_view bytes, std::uint64_t area_length);

  // The arguments joined by single NULs: the bytes of the argument area without the last argument's
  // terminator and without title padding. Splitting it at every NUL gives exactly the arguments,
  // except that it is also empty when there are none.
  std::string_view raw() const { return raw_; }

  // Delivers the next argument; false when there are no more.
  bool next(std::string_view& argument);

 private:
  std::string_view raw_;
  std::size_t at_ = 0;
  bool more_ = false;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PARSE_CMDLINE_H_
