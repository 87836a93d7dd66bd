#include "parse/inotify_fdinfo.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"

namespace {

using pidentity::has_inotify_watch;

// What Linux 6.18 prints of an instance that watches two files as libuv does.
constexpr std::string_view kHead = "pos:\t0\nflags:\t02004000\nmnt_id:\t16\nino:\t1057\n";
constexpr std::string_view kNewer =
    "inotify wd:1c ino:3a00c sdev:fe00000 mask:fc6 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 "
    "f_handle:0ca00300e2f4d1b2\n";
constexpr std::string_view kOlder =
    "inotify wd:3 ino:ffffffffffffffff sdev:1b mask:fce ignored_mask:0 fhandle-bytes:8 "
    "fhandle-type:1 f_handle:0ca00300e2f4d1b2\n";

std::string with(std::string_view line) { return std::string(kHead) + std::string(line); }

}  // namespace

int main() {
  check::test("a watch is found by inode and events, wherever it stands", [] {
    const std::string text = with(kNewer) + std::string(kOlder);
    check::equal(has_inotify_watch(text, 0x3a00c, 0xfc6), true);
    check::equal(has_inotify_watch(text, UINT64_MAX, 0xfce), true);
  });

  check::test("another inode, or a watch for other events, is none", [] {
    const std::string text = with(kNewer) + std::string(kOlder);
    check::equal(has_inotify_watch(text, 0x3a00d, 0xfc6), false);
    check::equal(has_inotify_watch(text, 0x3a00c, 0xfce), false);
    check::equal(has_inotify_watch(text, 0x3a00c, 0x8), false);
  });

  check::test("one of two watches of one inode number is enough", [] {
    const std::string text =
        "inotify wd:2 ino:a sdev:1 mask:8 x\ninotify wd:1 ino:a sdev:2 mask:fc6 x\n";
    check::equal(has_inotify_watch(text, 0xa, 0xfc6), true);
    check::equal(has_inotify_watch(text, 0xa, 0x8), true);
  });

  check::test("bits of the mask that are no events do not count", [] {
    check::equal(has_inotify_watch("inotify wd:1 ino:a sdev:1 mask:800afc6 x\n", 0xa, 0xfc6), true);
  });

  check::test("a line that was cut off is none", [] {
    const std::string whole = with(kNewer);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      check::equal(has_inotify_watch(whole.substr(0, length), 0x3a00c, 0xfc6), false);
    }
  });

  check::test("a line that makes no sense is none, and does not hide the next one", [] {
    for (const std::string_view line :
         {"inotify wd:1 ino:a mask:fc6 x\n", "inotify wd:x ino:a sdev:1 mask:fc6 x\n",
          "inotify wd:fffffffff ino:a sdev:1 mask:fc6 x\n", "inotify wd:1 ino:a sdev:1 mask:fc6\n",
          "inotify wd:1 ino:a sdev:1 mask:1fffffc6f x\n", " inotify wd:1 ino:a sdev:1 mask:fc6 x\n",
          "inotify wd: ino:a sdev:1 mask:fc6 x\n", "\n"}) {
      check::equal(has_inotify_watch(line, 0xa, 0xfc6), false);
      const std::string text = std::string(line) + "inotify wd:7 ino:a sdev:1 mask:fc6 x\n";
      check::equal(has_inotify_watch(text, 0xa, 0xfc6), true);
    }
  });

  return check::report();
}
