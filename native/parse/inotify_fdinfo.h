// Parser of the watches in Linux's /proc/<pid>/fdinfo/<fd> of an inotify instance
// (proc_pid_fdinfo(5), fs/notify/fdinfo.c inotify_fdinfo). Pure, compiled on every platform.
#ifndef PIDENTITY_NATIVE_PARSE_INOTIFY_FDINFO_H_
#define PIDENTITY_NATIVE_PARSE_INOTIFY_FDINFO_H_

#include <cstdint>
#include <string_view>

namespace pidentity {

// Whether there is a watch of an inode with that number and exactly these events. `text` may end
// within a line, which then is none. Bits of the printed mask that are no events (inotify.h
// IN_ALL_EVENTS) do not count: some kernels print their own. Nor does the watch's descriptor, which
// is decimal on some kernels and hexadecimal on others.
bool has_inotify_watch(std::string_view text, std::uint64_t inode, std::uint32_t events);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PARSE_INOTIFY_FDINFO_H_
