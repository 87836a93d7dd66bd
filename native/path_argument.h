// A path from JavaScript.
#ifndef PIDENTITY_NATIVE_PATH_ARGUMENT_H_
#define PIDENTITY_NATIVE_PATH_ARGUMENT_H_

#include <napi.h>

#include <cstddef>
#include <string_view>

#include "js_values.h"

namespace pidentity {

// A path read from an argument. One that is cut off, or ends early at a NUL byte, would be another
// file's: it is not whole.
class PathArgument {
 public:
  PathArgument(napi_env env, napi_value value) {
    is_text_ = napi_get_value_string_utf8(env, value, text_, sizeof text_, &size_) == napi_ok;
    if (!is_text_) throw_type_error(env, "path", "a string");
  }

  // An exception is pending.
  bool thrown() const { return !is_text_; }
  bool whole() const {
    return size_ < kMaxPathBytes &&
           std::string_view(text_, size_).find('\0') == std::string_view::npos;
  }
  const char* text() const { return text_; }

 private:
  // Linux's PATH_MAX, the final NUL included; other systems take less. Of a path that is longer at
  // least that many bytes arrive, because only whole characters are cut off.
  static constexpr std::size_t kMaxPathBytes = 4096;
  static constexpr std::size_t kMaxCharacterBytes = 4;

  char text_[kMaxPathBytes + kMaxCharacterBytes];
  std::size_t size_ = 0;
  bool is_text_ = false;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PATH_ARGUMENT_H_
