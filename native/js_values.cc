#include "js_values.h"

namespace pidentity {
namespace {

template <typename T>
std::span<T> to_elements(napi_env env, napi_value value, std::size_t least, const char* name,
                         napi_typedarray_type wanted, const char* expected) {
  bool is_typed_array = false;
  napi_is_typedarray(env, value, &is_typed_array);
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* elements = nullptr;
  if (!is_typed_array ||
      napi_get_typedarray_info(env, value, &type, &length, &elements, nullptr, nullptr) !=
          napi_ok ||
      type != wanted) {
    throw_type_error(env, name, expected);
    return {};
  }
  // A detached array has no length.
  if (length < least || elements == nullptr) {
    throw_range_error(env, name, "longer");
    return {};
  }
  return {static_cast<T*>(elements), length};
}

}  // namespace

napi_valuetype type_of(Napi::Env env, napi_value value) { return Napi::Value(env, value).Type(); }

napi_value null(Napi::Env env) { return env.Null(); }

napi_value boolean(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }

napi_value number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

napi_value string(napi_env env, const std::string& text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

ObjectBuilder::ObjectBuilder(napi_env env) : env_(env) {
  if (napi_create_object(env, &object_) != napi_ok) object_ = nullptr;
}

ObjectBuilder& ObjectBuilder::set(const char* name, napi_value value) {
  if (object_ != nullptr &&
      (value == nullptr || napi_set_named_property(env_, object_, name, value) != napi_ok)) {
    object_ = nullptr;
  }
  return *this;
}

void throw_type_error(napi_env env, const char* name, const char* expected) {
  napi_throw_type_error(env, nullptr, (std::string(name) + " must be " + expected).c_str());
}

void throw_range_error(napi_env env, const char* name, const char* expected) {
  napi_throw_range_error(env, nullptr, (std::string(name) + " must be " + expected).c_str());
}

std::optional<std::uint64_t> to_exact_id(napi_env env, napi_value value) {
  constexpr const char* kName = "exactId";
  // The largest number's digits, one more and the NUL: a longer text is cut off, and refused.
  char digits[22];
  std::size_t size = 0;
  if (napi_get_value_string_utf8(env, value, digits, sizeof digits, &size) != napi_ok) {
    throw_type_error(env, kName, "a string");
    return std::nullopt;
  }
  bool valid = size > 0 && size < sizeof digits - 1;
  std::uint64_t id = 0;
  for (std::size_t i = 0; valid && i < size; ++i) {
    const auto digit = static_cast<std::uint64_t>(digits[i] - '0');
    valid = digits[i] >= '0' && digits[i] <= '9' && id <= (UINT64_MAX - digit) / 10;
    if (valid) id = id * 10 + digit;
  }
  if (!valid) {
    throw_range_error(env, kName, "a decimal number of 64 bits");
    return std::nullopt;
  }
  return id;
}

std::optional<double> to_amount(napi_env env, napi_value value, const char* name) {
  double given = 0;
  if (napi_get_value_double(env, value, &given) != napi_ok) {
    throw_type_error(env, name, "a number");
    return std::nullopt;
  }
  // Also false for NaN.
  if (!(given >= 0)) {
    throw_range_error(env, name, "0 or more");
    return std::nullopt;
  }
  return given;
}

std::span<double> to_numbers(napi_env env, napi_value value, std::size_t least, const char* name) {
  return to_elements<double>(env, value, least, name, napi_float64_array, "a Float64Array");
}

std::span<std::uint32_t> to_uint32s(napi_env env, napi_value value, std::size_t least,
                                    const char* name) {
  return to_elements<std::uint32_t>(env, value, least, name, napi_uint32_array, "a Uint32Array");
}

std::span<std::uint8_t> to_bytes(napi_env env, napi_value value, std::size_t least,
                                 const char* name) {
  return to_elements<std::uint8_t>(env, value, least, name, napi_uint8_array, "a Uint8Array");
}

bool is_empty_array(napi_env env, napi_value value, const char* name) {
  bool is_array = false;
  std::uint32_t length = 0;
  if (napi_is_array(env, value, &is_array) == napi_ok && is_array &&
      napi_get_array_length(env, value, &length) == napi_ok && length == 0) {
    return true;
  }
  throw_type_error(env, name, "an empty array");
  return false;
}

}  // namespace pidentity
