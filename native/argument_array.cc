#include "argument_array.h"

namespace pidentity {
namespace {

bool is_ascii(std::string_view bytes) {
  unsigned char seen = 0;
  for (const char byte : bytes) seen |= static_cast<unsigned char>(byte);
  return seen < 0x80;
}

}  // namespace

bool ArgumentArray::kept() const {
  std::uint32_t length = 0;
  return napi_get_array_length(env_, array_, &length) == napi_ok && length == count_;
}

napi_value ArgumentArray::create(std::string_view bytes) const {
  napi_value value = nullptr;
  // Invalid UTF-8 becomes U+FFFD. ASCII takes the cheaper way to the same string.
  const napi_status status =
      is_ascii(bytes) ? napi_create_string_latin1(env_, bytes.data(), bytes.size(), &value)
                      : napi_create_string_utf8(env_, bytes.data(), bytes.size(), &value);
  return status == napi_ok ? value : nullptr;
}

napi_value ArgumentArray::create(std::u16string_view units) const {
  napi_value value = nullptr;
  const napi_status status = napi_create_string_utf16(env_, units.data(), units.size(), &value);
  return status == napi_ok ? value : nullptr;
}

void ArgumentArray::keep_raw(napi_value value) {
  raw_ = value;
  if (value == nullptr) complete_ = false;
}

template <typename View>
void ArgumentArray::append(View text) {
  if (!complete_) return;
  if (count_ % kArgumentsPerScope == 0) {
    close_scope();
    if (napi_open_handle_scope(env_, &scope_) != napi_ok) scope_ = nullptr;
  }
  const napi_value value = create(text);
  complete_ = value != nullptr && napi_set_element(env_, array_, count_, value) == napi_ok;
  ++count_;
}

void ArgumentArray::argument(std::string_view bytes) { append(bytes); }
void ArgumentArray::argument(std::u16string_view units) { append(units); }

void ArgumentArray::close_scope() {
  if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  scope_ = nullptr;
}

}  // namespace pidentity
