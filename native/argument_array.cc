#include "argument_array.h"

#include <cstring>

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

void ArgumentArray::keep_text(napi_value value) {
  text_ = value;
  if (value == nullptr) complete_ = false;
}

void ArgumentArray::raw(std::string_view bytes) {
  if (!tell_by_ends(bytes)) keep_text(create(bytes));
}

// One string for all arguments, for the price of one: possible where bytes and the string's units
// are the same, and where there is room for all ends. No bytes may be no or one argument.
bool ArgumentArray::tell_by_ends(std::string_view bytes) {
  if (ends_.empty() || bytes.empty() || bytes.size() > kLongestCut || !is_ascii(bytes)) {
    return false;
  }
  char shown[kLongestCut];
  std::memcpy(shown, bytes.data(), bytes.size());
  std::size_t count = 0;
  for (std::size_t end = 0; (end = bytes.find('\0', end)) != std::string_view::npos; ++end) {
    if (count + 1 == ends_.size()) return false;
    shown[end] = ' ';
    ends_[count++] = static_cast<double>(end);
  }
  ends_[count++] = static_cast<double>(bytes.size());
  napi_value value = nullptr;
  if (napi_create_string_latin1(env_, shown, bytes.size(), &value) != napi_ok) value = nullptr;
  keep_text(value);
  told_ = count;
  return true;
}

template <typename View>
void ArgumentArray::append(View text) {
  if (!complete_) return;
  if (array_ == nullptr && napi_create_array(env_, &array_) != napi_ok) {
    complete_ = false;
    return;
  }
  if (count_ % kArgumentsPerScope == 0) {
    close_scope();
    if (napi_open_handle_scope(env_, &scope_) != napi_ok) scope_ = nullptr;
  }
  const napi_value value = create(text);
  complete_ = value != nullptr && napi_set_element(env_, array_, count_, value) == napi_ok;
  ++count_;
}

void ArgumentArray::argument(std::string_view bytes) {
  if (told_ == 0) {
    append(bytes);
  } else {
    ++count_;
  }
}

void ArgumentArray::argument(std::u16string_view units) { append(units); }

void ArgumentArray::finish() {
  close_scope();
  // An OS whose text is not its arguments joined by NULs has broken the contract.
  if (told_ != 0 && told_ != count_) complete_ = false;
}

void ArgumentArray::close_scope() {
  if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  scope_ = nullptr;
}

}  // namespace pidentity
