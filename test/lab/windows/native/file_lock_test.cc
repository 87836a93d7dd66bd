// The Windows file lock, with this program in Node's place: it exports the function that turns a
// descriptor into a handle. Compiled a second time without it (WITHOUT_UV).
#include "file_lock.h"

#include <fcntl.h>
#include <io.h>
#include <windows.h>

#include <cstdio>
#include <memory>
#include <string>

#include "check.h"

#ifndef WITHOUT_UV
extern "C" __declspec(dllexport) HANDLE uv_get_osfhandle(int fd) {
  return reinterpret_cast<HANDLE>(_get_osfhandle(fd));
}
#endif

namespace {

// libuv's codes, as util.getSystemErrorName knows them.
[[maybe_unused]] constexpr int kEbadf = -4083;
[[maybe_unused]] constexpr int kEnosys = -4054;

// A file of its own for every test, deleted at its end.
class TemporaryFile {
 public:
  TemporaryFile() {
    wchar_t folder[MAX_PATH + 1];
    GetTempPathW(MAX_PATH + 1, folder);
    wchar_t name[MAX_PATH];
    GetTempFileNameW(folder, L"pid", 0, name);
    path_ = name;
  }
  ~TemporaryFile() { DeleteFileW(path_.c_str()); }
  int open(int flags) const { return _wopen(path_.c_str(), flags | _O_BINARY); }
  std::string path() const { return std::string(path_.begin(), path_.end()); }

 private:
  std::wstring path_;
};

void which_file_it_is_only_node_tells() {
  const TemporaryFile file;
  const int fd = file.open(_O_RDWR);
  for (const int asked : {fd, -1, 2147483647}) {
    check::equal(pidentity::file_id(asked).has_value(), false);
    check::equal(pidentity::is_named(file.path().c_str(), asked), false);
  }
  _close(fd);
}

void file_systems_have_no_numbers() {
  const TemporaryFile file;
  const int fd = file.open(_O_RDWR);
  for (const int asked : {fd, -1, 2147483647}) {
    check::equal(pidentity::file_system_type(asked).has_value(), false);
  }
  _close(fd);
}

#ifdef WITHOUT_UV

void a_runtime_without_the_translation_says_so() {
  const TemporaryFile file;
  const int fd = file.open(_O_RDWR);
  check::equal(pidentity::lock_try_exclusive(fd), kEnosys);
  check::equal(pidentity::lock_probe(fd), kEnosys);
  check::equal(pidentity::keep_file(fd) == nullptr, true);
  _close(fd);
}

#else

void one_holder_at_a_time() {
  const TemporaryFile file;
  const int first = file.open(_O_RDWR);
  const int second = file.open(_O_RDWR);
  check::equal(pidentity::lock_try_exclusive(first), pidentity::kLockAcquired);
  check::equal(pidentity::lock_try_exclusive(second), pidentity::kLockHeldElsewhere);
  _close(first);
  check::equal(pidentity::lock_try_exclusive(second), pidentity::kLockAcquired);
  _close(second);
}

void a_probe_leaves_nothing_behind() {
  const TemporaryFile file;
  const int holder = file.open(_O_RDWR);
  const int reader = file.open(_O_RDONLY);
  check::equal(pidentity::lock_probe(reader), pidentity::kLockAcquired);
  check::equal(pidentity::lock_try_exclusive(holder), pidentity::kLockAcquired);
  check::equal(pidentity::lock_probe(reader), pidentity::kLockHeldElsewhere);
  _close(holder);
  check::equal(pidentity::lock_probe(reader), pidentity::kLockAcquired);
  const int next = file.open(_O_RDWR);
  check::equal(pidentity::lock_try_exclusive(next), pidentity::kLockAcquired);
  _close(reader);
  _close(next);
}

void probers_do_not_see_each_other() {
  const TemporaryFile file;
  const int first = file.open(_O_RDONLY);
  const int second = file.open(_O_RDONLY);
  // Held open at the very moment of the probe, as another prober would have it.
  OVERLAPPED where{};
  where.OffsetHigh = 0x4000'0000;
  const HANDLE handle = reinterpret_cast<HANDLE>(_get_osfhandle(first));
  check::equal(LockFileEx(handle, LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where) != 0, true);
  check::equal(pidentity::lock_probe(second), pidentity::kLockAcquired);
  _close(first);
  _close(second);
}

void the_payload_stays_readable_and_writable() {
  const TemporaryFile file;
  const int holder = file.open(_O_RDWR);
  check::equal(pidentity::lock_try_exclusive(holder), pidentity::kLockAcquired);
  check::equal(_write(holder, "payload", 7), 7);
  const int reader = file.open(_O_RDONLY);
  char text[16] = {};
  check::equal(_read(reader, text, sizeof text), 7);
  check::equal(std::string(text), std::string("payload"));
  const int writer = file.open(_O_RDWR);
  check::equal(_write(writer, "PAY", 3), 3);
  _close(writer);
  _close(reader);
  _close(holder);
}

void a_kept_file_ends_with_its_lock() {
  const TemporaryFile file;
  const int holder = file.open(_O_RDWR);
  const int reader = file.open(_O_RDONLY);
  std::unique_ptr<pidentity::KeptFile> kept = pidentity::keep_file(holder);
  check::equal(kept != nullptr, true);
  check::equal(kept->descriptor(), holder);
  check::equal(pidentity::lock_try_exclusive(holder), pidentity::kLockAcquired);
  check::equal(pidentity::lock_probe(reader), pidentity::kLockHeldElsewhere);
  // As when a thread is terminated whose descriptors stay open.
  kept.reset();
  check::equal(pidentity::lock_probe(reader), pidentity::kLockAcquired);
  // As at a release: the descriptor is closed after it.
  check::equal(pidentity::lock_try_exclusive(holder), pidentity::kLockAcquired);
  kept = pidentity::keep_file(holder);
  _close(holder);
  check::equal(pidentity::lock_probe(reader), pidentity::kLockHeldElsewhere);
  kept.reset();
  check::equal(pidentity::lock_probe(reader), pidentity::kLockAcquired);
  _close(reader);
}

void a_bad_descriptor_is_an_error_and_no_crash() {
  const TemporaryFile file;
  const int closed = file.open(_O_RDWR);
  _close(closed);
  for (const int fd : {-1, -2147483647 - 1, closed, 100'000, 2147483647}) {
    check::equal(pidentity::lock_try_exclusive(fd), kEbadf);
    check::equal(pidentity::lock_probe(fd), kEbadf);
    check::equal(pidentity::keep_file(fd) == nullptr, true);
  }
}

void a_pipe_is_refused() {
  int ends[2];
  check::equal(_pipe(ends, 512, _O_BINARY), 0);
  check::equal(pidentity::lock_try_exclusive(ends[0]) < 0, true);
  check::equal(pidentity::lock_probe(ends[1]) < 0, true);
  _close(ends[0]);
  _close(ends[1]);
}

void ignore_invalid_parameter(const wchar_t*, const wchar_t*, const wchar_t*, unsigned, uintptr_t) {
}

#endif

}  // namespace

int main() {
  check::test("which file it is only Node tells", which_file_it_is_only_node_tells);
  check::test("file systems have no numbers", file_systems_have_no_numbers);
#ifdef WITHOUT_UV
  check::test("a runtime without the translation says so",
              a_runtime_without_the_translation_says_so);
#else
  // The C runtime ends the program for a bad descriptor unless told otherwise; Node tells it so.
  _set_invalid_parameter_handler(ignore_invalid_parameter);
  check::test("one holder at a time", one_holder_at_a_time);
  check::test("a probe leaves nothing behind", a_probe_leaves_nothing_behind);
  check::test("probers do not see each other", probers_do_not_see_each_other);
  check::test("the payload stays readable", the_payload_stays_readable_and_writable);
  check::test("a kept file ends with its lock", a_kept_file_ends_with_its_lock);
  check::test("a bad descriptor is no crash", a_bad_descriptor_is_an_error_and_no_crash);
  check::test("a pipe is refused", a_pipe_is_refused);
#endif
  return check::report();
}
