// A command line as JavaScript values: the raw text, and the arguments appended to an array.
#ifndef PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_
#define PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_

#include <napi.h>

#include <cstdint>
#include <string_view>

#include "process.h"

namespace pidentity {

class ArgumentArray final : public CommandLineSink {
 public:
  ArgumentArray(napi_env env, napi_value array) : env_(env), array_(array) {}
  ~ArgumentArray() { close_scope(); }
  ArgumentArray(const ArgumentArray&) = delete;
  ArgumentArray& operator=(const ArgumentArray&) = delete;

  void raw(std::string_view bytes) override { keep_raw(create(bytes)); }
  void raw(std::u16string_view units) override { keep_raw(create(units)); }
  void argument(std::string_view bytes) override;
  void argument(std::u16string_view units) override;

  // To be called before any other value is made: until then they land in the arguments' scope.
  void finish() { close_scope(); }

  // False when a string could not be made or an exception is pending.
  bool complete() const { return complete_; }

  // False when the array ignored what was appended: it is frozen, or Array.prototype has a setter.
  bool kept() const;

  // Null when there was no raw text.
  napi_value raw_value() const { return raw_; }

 private:
  // A command line may have a million arguments; their handles must not pile up.
  static constexpr std::uint32_t kArgumentsPerScope = 128;

  napi_value create(std::string_view bytes) const;
  napi_value create(std::u16string_view units) const;
  void keep_raw(napi_value value);
  template <typename View>
  void append(View text);
  void close_scope();

  napi_env env_;
  napi_value array_;
  napi_value raw_ = nullptr;
  napi_handle_scope scope_ = nullptr;
  std::uint32_t count_ = 0;
  bool complete_ = true;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_
