#include "file_io_calls.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "call.h"
#include "file_io.h"
#include "file_lock.h"
#include "js_values.h"
#include "path_argument.h"

namespace pidentity {
namespace {

// More than any payload but one with a caller's long label.
constexpr std::size_t kUsualTextBytes = 4096;
// Of a text that is cut off at least all bytes but so many arrive: only whole characters are.
constexpr std::size_t kMaxCharacterBytes = 4;

napi_value io_open_file(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  const std::optional<int> flags = to_integer<int>(call.env, call.arguments[1], "flags");
  if (!flags) return nullptr;
  const std::optional<int> mode = to_integer<int>(call.env, call.arguments[2], "mode");
  if (!mode) return nullptr;
  bool keep = false;
  if (napi_get_value_bool(call.env, call.arguments[3], &keep) != napi_ok) {
    throw_type_error(call.env, "keep", "a boolean");
    return nullptr;
  }
  if (!path.whole()) return null(call.env);
  const int fd = open_file(path.text(), *flags, *mode);
  if (fd < 0 || !keep) return number(call.env, fd);
  std::unique_ptr<KeptFile> file = own_file(fd);
  if (!file) {
    close_file(fd);
    return number(call.env, -ENOMEM);
  }
  call.environment->kept_files.insert_or_assign(fd, std::move(file));
  return number(call.env, fd);
}

napi_value io_read_at(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  const std::span<std::uint8_t> buffer = to_bytes(call.env, call.arguments[1], 1, "buffer");
  if (buffer.empty()) return nullptr;
  const auto offset = to_integer<std::uint32_t>(call.env, call.arguments[2], "offset");
  if (!offset) return nullptr;
  const auto length = to_integer<std::uint32_t>(call.env, call.arguments[3], "length");
  if (!length) return nullptr;
  if (*offset > buffer.size() || *length > buffer.size() - *offset) {
    throw_range_error(call.env, "buffer", "longer");
    return nullptr;
  }
  return number(call.env, read_file_at(*fd, buffer.subspan(*offset, *length), *offset));
}

// A text that has no room on the stack.
napi_value write_long(const Call& call, int fd) {
  const napi_value text = call.arguments[1];
  std::size_t size = 0;
  if (napi_get_value_string_utf8(call.env, text, nullptr, 0, &size) != napi_ok) return nullptr;
  const std::unique_ptr<char[]> bytes(new (std::nothrow) char[size + 1]);
  if (!bytes) return number(call.env, -ENOMEM);
  if (napi_get_value_string_utf8(call.env, text, bytes.get(), size + 1, &size) != napi_ok) {
    return nullptr;
  }
  return number(call.env, write_file(fd, {bytes.get(), size}));
}

napi_value io_write_file(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  char text[kUsualTextBytes];
  std::size_t size = 0;
  if (napi_get_value_string_utf8(call.env, call.arguments[1], text, sizeof text, &size) !=
      napi_ok) {
    throw_type_error(call.env, "text", "a string");
    return nullptr;
  }
  // One byte is the final NUL's.
  if (size >= sizeof text - kMaxCharacterBytes) return write_long(call, *fd);
  return number(call.env, write_file(*fd, {text, size}));
}

napi_value io_close_file(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  // What ends with its thread must not be closed again by then.
  if (call.environment->kept_files.erase(*fd) != 0) return number(call.env, 0);
  return number(call.env, close_file(*fd));
}

napi_value io_unlink_file(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  return path.whole() ? number(call.env, unlink_file(path.text())) : null(call.env);
}

}  // namespace

bool define_file_io_calls(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      method<io_open_file>("openFile"),     method<io_read_at>("readAt"),
      method<io_write_file>("writeFile"),   method<io_close_file>("closeFile"),
      method<io_unlink_file>("unlinkFile"),
  };
  return napi_define_properties(env, exports, std::size(functions), functions) == napi_ok;
}

}  // namespace pidentity
