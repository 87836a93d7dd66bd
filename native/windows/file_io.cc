#include "file_io.h"

namespace pidentity {
namespace {

// ENOTSUP by libuv's number (uv/errno.h), as in file_lock.cc.
constexpr int kNotSupported = -4049;

}  // namespace

int open_file(const char*, int, int) { return kNotSupported; }
int read_file_at(int, std::span<std::uint8_t>, std::uint32_t) { return kNotSupported; }
int write_file(int, std::string_view) { return kNotSupported; }
int close_file(int) { return kNotSupported; }
int unlink_file(const char*) { return kNotSupported; }

}  // namespace pidentity
