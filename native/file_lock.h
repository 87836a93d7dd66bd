// The second, smaller OS contract: kernel locks on open files, which file is open, and files that
// have no name yet.
//
// A kernel lock lives exactly as long as its descriptor: it dies with the process at any
// instruction, which is why the lock protocol builds on it. POSIX: flock(2), bound to the open file
// description. Windows: LockFileEx on one byte at 2^62, far beyond any payload, so that readers can
// still read the file. Never POSIX record locks (F_SETLK): any close of the file drops them.
//
// Linux has a second, independent kind, open-file-description locks (fcntl(2), F_OFD_SETLK, since
// 3.15): neither kind sees the other, so one file carries the ownership of a lock and its guard.
// macOS lets them see each other, and Windows has one kind: there the ownership functions answer
// "not supported".
#ifndef PIDENTITY_NATIVE_FILE_LOCK_H_
#define PIDENTITY_NATIVE_FILE_LOCK_H_

#include <cstdint>
#include <memory>
#include <optional>

namespace pidentity {

// A negative value is the negated errno of a lock that the file system refused (ENOLCK, ENOTSUP,
// EINVAL, ENOSYS, ...): no evidence either way. On Windows it is libuv's code for that error, which
// is what Node's util.getSystemErrorName names there.
using LockResult = int;
inline constexpr LockResult kLockAcquired = 0;
inline constexpr LockResult kLockHeldElsewhere = 1;

// Takes the lock exclusively without waiting. Closing the descriptor drops it.
LockResult lock_try_exclusive(int fd);

// Asks whether the lock is held exclusively elsewhere: takes it *shared* without waiting and drops
// it at once. Shared, because two probers must not see each other as holders. kLockAcquired: free.
// Only for a descriptor that holds no lock itself: it would lose it.
LockResult lock_probe(int fd);

// Drops what lock_try_exclusive took through this descriptor; 0 also when it had nothing.
LockResult lock_drop(int fd);

// Takes ownership without waiting: an open-file-description write lock of byte 0. Closing the last
// descriptor of the open file drops it. Needs a descriptor for writing.
LockResult ownership_try(int fd);

// Asks whether another open file has ownership (F_OFD_GETLK): takes nothing, disturbs no process,
// and a descriptor for reading is enough. kLockAcquired: none has. Readers' locks and other
// programs' record locks are no ownership.
LockResult ownership_probe(int fd);

// How a file without a name is reached.
enum class LinkBy {
  // AT_EMPTY_PATH: needs CAP_DAC_READ_SEARCH before Linux 6.10, and says ENOENT without.
  kDescriptor = 0,
  // /proc/self/fd/N with AT_SYMLINK_FOLLOW: needs /proc, and says ENOENT without.
  kProc = 1,
};

// linkat(2): gives the open file, one of O_TMPFILE, the name `path`, never replacing. 0 or the
// negated errno.
int link_open_file(int fd, const char* path, LinkBy by);

// An open file that ends, with its lock, when this is destroyed: the addon destroys it with the
// thread that asked for it. Runtimes do not: of a thread that is terminated Node closes what
// node:fs has opened, unless it was started with trackUnmanagedFds: false; Bun closes nothing. And
// what Node closes the addon must not close as well, the number may be another file's by then.
class KeptFile {
 public:
  virtual ~KeptFile() = default;
  KeptFile(const KeptFile&) = delete;
  KeptFile& operator=(const KeptFile&) = delete;

  // What to use from now on. POSIX: a descriptor of this object's own, of the same open file
  // description; the caller closes the old one. Windows: the old one, which stays the caller's to
  // close, since a descriptor is the host's C runtime's to make.
  virtual int descriptor() const = 0;

 protected:
  KeptFile() = default;
};

// Null when the OS refuses (not open, no descriptor left) or memory is short.
std::unique_ptr<KeptFile> keep_file(int fd);

// The same of a descriptor that open_file (file_io.h) has just given: it becomes this object's own.
// Null when memory is short, and always on Windows: then it is still the caller's to close.
std::unique_ptr<KeptFile> own_file(int fd);

// Which file this is, among those that exist now: the numbers of stat(2), made signed as Node does.
struct FileId {
  std::int64_t device = 0;
  std::int64_t inode = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
};

// Empty when the OS does not tell, and on Windows, where the numbers depend on how Node asks.
std::optional<FileId> file_id(int fd);

// f_type of fstatfs(2): which kind of file system the open file lies on. Empty when the OS does not
// tell, and on Windows, which has no such number.
std::optional<std::int64_t> file_system_type(int fd);

// What tells an open file that was left alone from one that is another or was written to since.
struct FileStamp {
  FileId id;
  std::int64_t size = 0;
  std::int64_t modified_s = 0;
  std::int64_t modified_ns = 0;
};

// Empty when the OS does not tell, and on Windows (see file_id).
std::optional<FileStamp> file_stamp(int fd);

// Of what `path` names, a final symbolic link not followed. Empty also when there is nothing.
std::optional<FileStamp> file_stamp_at(const char* path);

// What `path` names, a final symbolic link not followed.
enum class PathKind { kNothing = 0, kFile = 1, kDirectory = 2, kLink = 3, kOther = 4 };

// Empty when the OS does not tell why there is nothing, and on Windows, whose junctions Node knows.
std::optional<PathKind> path_kind(const char* path);

// True when no part of the directory's path, its last one included, is a symbolic link: it is its
// own real path. False also when that cannot be told in one call (openat2(2), Linux 5.6).
bool is_without_links(const char* directory);

// True when `path`, a final symbolic link not followed, names the very file that `fd` has open, a
// regular one. False also when that cannot be told, always on Windows.
bool is_named(const char* path, int fd);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_FILE_LOCK_H_
