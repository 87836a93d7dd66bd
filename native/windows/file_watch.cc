#include "file_watch.h"

namespace pidentity {

// ReadDirectoryChangesW, which watches directories, tells no close.
bool tell_closes(int) { return false; }

}  // namespace pidentity
