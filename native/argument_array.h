// A command line as JavaScript values: its text, and the arguments in an array or as the places
// where each of them ends in the text.
#ifndef PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_
#define PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "process.h"

namespace pidentity {

class ArgumentArray final : public CommandLineSink {
 public:
  // `array` null: one is made for the first argument. `ends`: room for the places where arguments
  // end, or none. Nothing that runs JavaScript is called, and `ends` stays as good as it was, until
  // appended() says otherwise.
  ArgumentArray(napi_env env, napi_value array, std::span<double> ends = {})
      : env_(env), array_(array), ends_(ends) {}
  ~ArgumentArray() { close_scope(); }
  ArgumentArray(const ArgumentArray&) = delete;
  ArgumentArray& operator=(const ArgumentArray&) = delete;

  void raw(std::string_view bytes) override;
  void raw(std::u16string_view units) override { keep_text(create(units)); }
  void argument(std::string_view bytes) override;
  void argument(std::u16string_view units) override;

  // To be called before any other value is made: until then they land in the arguments' scope.
  void finish();

  // False when a string could not be made or an exception is pending.
  bool complete() const { return complete_; }

  // How many arguments `ends` tells of; 0: they are in the array, or there are none. The text then
  // has a space wherever an argument ends.
  std::size_t told_by_ends() const { return told_; }

  // Whether the array was written to: a setter on Array.prototype may have run.
  bool appended() const { return count_ > 0 && told_ == 0; }

  // False when the array ignored what was appended: it is frozen, or Array.prototype has a setter.
  bool kept() const;

  // Null when there was no text.
  napi_value text() const { return text_; }
  // Null when none was given and none was needed.
  napi_value array() const { return array_; }

 private:
  // A command line may have a million arguments; their handles must not pile up.
  static constexpr std::uint32_t kArgumentsPerScope = 128;
  // The arguments that JavaScript cuts out of a text keep all of it in memory.
  static constexpr std::size_t kLongestCut = 4096;

  napi_value create(std::string_view bytes) const;
  napi_value create(std::u16string_view units) const;
  void keep_text(napi_value value);
  bool tell_by_ends(std::string_view bytes);
  template <typename View>
  void append(View text);
  void close_scope();

  napi_env env_;
  napi_value array_;
  std::span<double> ends_;
  napi_value text_ = nullptr;
  napi_handle_scope scope_ = nullptr;
  std::size_t told_ = 0;
  std::uint32_t count_ = 0;
  bool complete_ = true;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_ARGUMENT_ARRAY_H_
