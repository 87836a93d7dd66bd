// JavaScript values of the addon: made from facts, and read from arguments.
//
// The binding is private: lib/ has checked what a user passed, and these checks only keep a mistake
// there from becoming undefined behaviour here. An error names the argument and what it must be.
//
// Values come from node-addon-api. What runs JavaScript or its machinery (setting properties,
// throwing, constructing) goes through the C interface below it: when such a call fails, the
// wrapper makes an error object, and aborts the process where it cannot, which is so in a worker
// that is being terminated.
#ifndef PIDENTITY_NATIVE_JS_VALUES_H_
#define PIDENTITY_NATIVE_JS_VALUES_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

namespace pidentity {

napi_valuetype type_of(Napi::Env env, napi_value value);

napi_value null(Napi::Env env);
napi_value boolean(Napi::Env env, bool value);
napi_value number(Napi::Env env, double value);
// Null when it cannot be made.
napi_value string(napi_env env, const std::string& text);

// An object under construction; null once anything failed.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env);
  ObjectBuilder& set(const char* name, napi_value value);
  napi_value object() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

// "<name> must be <expected>".
void throw_type_error(napi_env env, const char* name, const char* expected);
void throw_range_error(napi_env env, const char* name, const char* expected);

// An empty result of the functions below means that an exception is pending.

template <typename Integer>
std::optional<Integer> to_integer(napi_env env, napi_value value, const char* name) {
  double given = 0;
  if (napi_get_value_double(env, value, &given) != napi_ok) {
    throw_type_error(env, name, "a number");
    return std::nullopt;
  }
  // The comparisons are also false for NaN. What the conversion changes had a fraction.
  const bool in_range = given >= 0 && given <= std::numeric_limits<Integer>::max();
  const Integer integer = in_range ? static_cast<Integer>(given) : Integer{0};
  if (!in_range || static_cast<double>(integer) != given) {
    throw_range_error(env, name, "an integer in range");
    return std::nullopt;
  }
  return integer;
}

std::optional<std::uint64_t> to_exact_id(napi_env env, napi_value value);

// A number that is 0 or more; Infinity, too.
std::optional<double> to_amount(napi_env env, napi_value value, const char* name);

// The numbers of a Float64Array, of a Uint32Array, of a Uint8Array such as a Buffer: at least
// `least`, which is not 0. Valid until JavaScript runs again, which may detach the array.
std::span<double> to_numbers(napi_env env, napi_value value, std::size_t least, const char* name);
std::span<std::uint32_t> to_uint32s(napi_env env, napi_value value, std::size_t least,
                                    const char* name);
std::span<std::uint8_t> to_bytes(napi_env env, napi_value value, std::size_t least,
                                 const char* name);

bool is_empty_array(napi_env env, napi_value value, const char* name);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_JS_VALUES_H_
