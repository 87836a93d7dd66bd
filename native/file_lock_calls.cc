#include "file_lock_calls.h"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "call.h"
#include "file_lock.h"
#include "js_values.h"
#include "path_argument.h"

namespace pidentity {
namespace {

template <LockResult (*kOperation)(int)>
napi_value lock_call(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  return number(call.env, kOperation(*fd));
}

napi_value lock_keep_file(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  std::unique_ptr<KeptFile> file = keep_file(*fd);
  if (!file) return null(call.env);
  const int descriptor = file->descriptor();
  call.environment->kept_files.insert_or_assign(descriptor, std::move(file));
  return number(call.env, descriptor);
}

napi_value lock_drop_file(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  return boolean(call.env, call.environment->kept_files.erase(*fd) != 0);
}

napi_value lock_file_id(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  const std::optional<FileId> id = file_id(*fd);
  if (!id) return null(call.env);
  return string(call.env, std::to_string(id->device) + ':' + std::to_string(id->inode));
}

napi_value lock_file_system_type(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  const std::optional<std::int64_t> type = file_system_type(*fd);
  return type ? number(call.env, static_cast<double>(*type)) : null(call.env);
}

napi_value lock_is_named(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  const std::optional<int> fd = to_fd(call, 1);
  if (!fd) return nullptr;
  return boolean(call.env, path.whole() && is_named(path.text(), *fd));
}

napi_value lock_link_open_file(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  const PathArgument path(call.env, call.arguments[1]);
  if (path.thrown()) return nullptr;
  const std::optional<int> by = to_integer<int>(call.env, call.arguments[2], "by");
  if (!by) return nullptr;
  if (*by > static_cast<int>(LinkBy::kProc)) {
    throw_range_error(call.env, "by", "0 or 1");
    return nullptr;
  }
  if (!path.whole()) return null(call.env);
  return number(call.env, link_open_file(*fd, path.text(), static_cast<LinkBy>(*by)));
}

napi_value stamp_value(const Call& call, const std::optional<FileStamp>& stamp) {
  if (!stamp) return null(call.env);
  // Four 64-bit numbers and three separators.
  char text[4 * 20 + 16];
  std::snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 " %" PRId64 " %" PRId64 ".%09" PRId64,
                stamp->id.device, stamp->id.inode, stamp->size, stamp->modified_s,
                stamp->modified_ns);
  return string(call.env, text);
}

napi_value lock_file_stamp(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  return stamp_value(call, file_stamp(*fd));
}

napi_value lock_file_stamp_at(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  return stamp_value(call, path.whole() ? file_stamp_at(path.text()) : std::nullopt);
}

napi_value lock_path_kind(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  const std::optional<PathKind> kind = path.whole() ? path_kind(path.text()) : std::nullopt;
  return kind ? number(call.env, static_cast<double>(*kind)) : null(call.env);
}

napi_value lock_is_without_links(const Call& call) {
  const PathArgument path(call.env, call.arguments[0]);
  if (path.thrown()) return nullptr;
  return boolean(call.env, path.whole() && is_without_links(path.text()));
}

}  // namespace

bool define_file_lock_calls(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      method<lock_call<lock_try_exclusive>>("lockTryExclusive"),
      method<lock_call<lock_probe>>("lockProbe"),
      method<lock_call<lock_drop>>("lockDrop"),
      method<lock_call<ownership_try>>("ownershipTry"),
      method<lock_call<ownership_probe>>("ownershipProbe"),
      method<lock_link_open_file>("linkOpenFile"),
      method<lock_file_stamp>("fileStamp"),
      method<lock_file_stamp_at>("fileStampAt"),
      method<lock_keep_file>("keepFile"),
      method<lock_drop_file>("dropFile"),
      method<lock_file_id>("fileId"),
      method<lock_file_system_type>("fileSystemType"),
      method<lock_is_named>("isNamed"),
      method<lock_path_kind>("pathKind"),
      method<lock_is_without_links>("isWithoutLinks"),
  };
  return napi_define_properties(env, exports, std::size(functions), functions) == napi_ok;
}

}  // namespace pidentity
