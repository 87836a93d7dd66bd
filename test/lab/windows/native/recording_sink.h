// Keeps what a reader delivers, and whether it came in the promised order.
#ifndef PIDENTITY_TEST_NATIVE_WINDOWS_RECORDING_SINK_H_
#define PIDENTITY_TEST_NATIVE_WINDOWS_RECORDING_SINK_H_

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "process.h"

struct RecordingSink final : pidentity::CommandLineSink {
  std::vector<std::u16string> raws;
  std::vector<std::u16string> list;
  bool argument_before_raw = false;

  void raw(std::u16string_view units) override { raws.emplace_back(units); }
  void argument(std::u16string_view units) override {
    argument_before_raw = argument_before_raw || raws.empty();
    list.emplace_back(units);
  }
  // Windows command lines are never bytes.
  void raw(std::string_view) override { std::abort(); }
  void argument(std::string_view) override { std::abort(); }

  bool heard_nothing() const { return raws.empty() && list.empty(); }
  bool heard(std::u16string_view line, const std::vector<std::u16string>& arguments) const {
    return raws.size() == 1 && raws[0] == line && list == arguments && !argument_before_raw;
  }
};

#endif  // PIDENTITY_TEST_NATIVE_WINDOWS_RECORDING_SINK_H_
