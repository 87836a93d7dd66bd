// Windows time stamps as pidentity's start time.
#ifndef PIDENTITY_NATIVE_WINDOWS_FILE_TIME_H_
#define PIDENTITY_NATIVE_WINDOWS_FILE_TIME_H_

#include <cstdint>
#include <optional>

namespace pidentity {

// 1970-01-01 in units of 100 ns since 1601-01-01.
inline constexpr std::int64_t kUnixEpochInFileTime = 116'444'736'000'000'000;

// Microseconds since the Unix epoch, rounded down: 100 ns since 1601 exceed what a JavaScript
// number holds exactly. Nothing for times before 1970, above all for 0, "not known".
constexpr std::optional<std::int64_t> unix_microseconds(std::int64_t file_time) noexcept {
  if (file_time < kUnixEpochInFileTime) return std::nullopt;
  return (file_time - kUnixEpochInFileTime) / 10;
}

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_FILE_TIME_H_
