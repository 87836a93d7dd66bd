// The third OS contract: the five calls on files that the lock protocol makes most often, for
// platforms where Node's own way to them costs more than the system call.
//
// An answer of 0 or more is the call's result; a negative one is the negated errno, which Node has
// for its own calls, too. Windows has none of them (descriptors there are the host's C runtime's to
// make): it answers "not supported", and Node makes them.
#ifndef PIDENTITY_NATIVE_FILE_IO_H_
#define PIDENTITY_NATIVE_FILE_IO_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace pidentity {

// open(2); the programs that this one starts do not inherit the descriptor (O_CLOEXEC).
int open_file(const char* path, int flags, int mode);

// One read of what lies at `offset` of the file, up to the size of `into`: how many bytes came.
int read_file_at(int fd, std::span<std::uint8_t> into, std::uint32_t offset);

// Writes all of `text` where the descriptor stands. 0; on failure a part of it may be written.
int write_file(int fd, std::string_view text);

// Whatever it answers, the descriptor is closed. 0 also where a signal came in between.
int close_file(int fd);

int unlink_file(const char* path);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_FILE_IO_H_
