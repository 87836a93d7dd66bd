// A small contract beside the others: what the runtime's own watch of a file (fs.watch) tells.
#ifndef PIDENTITY_NATIVE_FILE_WATCH_H_
#define PIDENTITY_NATIVE_FILE_WATCH_H_

namespace pidentity {

// Makes the watch that this process's runtime keeps on the file that `fd` has open tell one event
// more: that a descriptor through which the file could be written was closed, its owner's death
// included. True: it does from now on, until the runtime next starts a watch of that file. False:
// no such watch was found, or the OS has no such event; nothing was changed then.
bool tell_closes(int fd);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_FILE_WATCH_H_
