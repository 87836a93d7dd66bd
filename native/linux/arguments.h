// The command line of a process, from /proc/<pid>/cmdline.
#ifndef PIDENTITY_NATIVE_LINUX_ARGUMENTS_H_
#define PIDENTITY_NATIVE_LINUX_ARGUMENTS_H_

#include <cstdint>

#include "linux/byte_buffer.h"
#include "linux/proc_fs.h"
#include "parse/proc_stat.h"
#include "process.h"

namespace pidentity {

// Reads the command line that belongs to `stat`, which is read again where the two do not match.
ArgsReason read_arguments(const ProcDirectory& directory, ProcStat& stat, ByteBuffer& buffer);

// Why nothing was read, by the errno of a file of /proc.
ArgsReason args_reason_of(int error);

// `area_length`: see ProcStat::arg_length().
void deliver_arguments(ByteBuffer& buffer, std::uint64_t area_length, CommandLineSink& sink);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_ARGUMENTS_H_
