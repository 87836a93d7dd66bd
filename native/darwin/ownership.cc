#include <cerrno>

#include "file_lock.h"

namespace pidentity {

// flock(2) and open-file-description locks of one file see each other here: no second kind.
LockResult ownership_try(int) { return -ENOTSUP; }
LockResult ownership_probe(int) { return -ENOTSUP; }

bool is_without_links(const char*) { return false; }

// There is no O_TMPFILE.
int link_open_file(int, const char*, LinkBy) { return -ENOTSUP; }

}  // namespace pidentity
