#include "inspect.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "argument_array.h"
#include "js_values.h"
#include "process.h"

namespace pidentity {
namespace {

// Constants of lib/native/binding.ts.
constexpr std::size_t kFactRow = 32;     // FACT_ROW: the facts, told_by_ends() and the ends
constexpr std::size_t kMostAtOnce = 64;  // MOST_AT_ONCE: processes of one inspectMany

double fact(State state) { return static_cast<double>(state); }
double fact(Reason reason) { return static_cast<double>(reason); }
double fact(ArgsReason reason) { return static_cast<double>(reason); }
template <typename T>
double fact(const std::optional<T>& value) {
  return value ? static_cast<double>(*value) : std::numeric_limits<double>::quiet_NaN();
}

bool is_given(const Call& call, std::size_t index) {
  return type_of(call.env, call.arguments[index]) != napi_undefined;
}

// Empty with an exception pending.
std::span<double> facts_of(const Call& call, std::size_t index, std::size_t least = kFactCount) {
  return to_numbers(call.env, call.arguments[index], least, "facts");
}

// Behind the facts of a whole row: how many ends, and the ends.
std::span<double> ends_in(std::span<double> row) {
  if (row.size() < kFactRow) return {};
  return row.subspan(kFactCount + 1, kFactRow - kFactCount - 1);
}

void write_told(std::span<double> row, std::size_t told) {
  if (row.size() >= kFactRow) row[kFactCount] = static_cast<double>(told);
}

void write_facts(std::span<double> row, const Snapshot& snapshot, const ArgumentArray& line) {
  row[0] = fact(snapshot.liveness.state);
  row[1] = fact(snapshot.liveness.reason);
  row[2] = fact(snapshot.start_time);
  row[3] = fact(snapshot.started_at_ms);
  row[4] = fact(snapshot.parent);
  row[5] = fact(snapshot.args_reason);
  write_told(row, snapshot.args_reason == ArgsReason::kRead ? line.told_by_ends() : 0);
}

// Nothing when an exception is pending, thrown by the caller's own code.
std::optional<Snapshot> look_at(const Call& call, Pid pid, bool with_args, ArgumentArray& line) {
  Snapshot snapshot = call.reader().inspect(pid, with_args ? &line : nullptr);
  line.finish();
  if (snapshot.args_reason == ArgsReason::kRead && !line.complete()) {
    bool thrown = false;
    if (napi_is_exception_pending(call.env, &thrown) != napi_ok || thrown) return std::nullopt;
    snapshot.args_reason = ArgsReason::kUnsupported;
  }
  return snapshot;
}

// False, with an exception pending, when the arguments went nowhere.
bool has_arguments(const Call& call, const Snapshot& snapshot, const ArgumentArray& line) {
  const bool lost = snapshot.args_reason == ArgsReason::kRead && line.appended() && !line.kept();
  if (lost) throw_type_error(call.env, "args", "extensible");
  return !lost;
}

class TimeBudget {
 public:
  explicit TimeBudget(double milliseconds) : milliseconds_(milliseconds) {}
  bool used_up() const { return Milliseconds(Clock::now() - started_).count() >= milliseconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;

  double milliseconds_;
  Clock::time_point started_ = Clock::now();
};

// Null is not put anywhere. False when an exception is pending.
bool put(napi_env env, napi_value array, std::uint32_t index, napi_value value) {
  return value == nullptr || napi_set_element(env, array, index, value) == napi_ok;
}

// The arguments of inspectMany, but for the array of command lines.
struct Many {
  std::span<const std::uint32_t> pids;
  std::span<double> facts;

  std::span<double> row(std::size_t index) const {
    return facts.subspan(index * kFactRow, kFactRow);
  }
};

// Nothing when an exception is pending.
std::optional<Many> to_many(const Call& call, std::size_t count) {
  const auto pids = to_uint32s(call.env, call.arguments[0], count, "pids");
  if (pids.empty()) return std::nullopt;
  const std::span<double> facts = facts_of(call, 2, count * kFactRow);
  if (facts.empty()) return std::nullopt;
  return Many{pids, facts};
}

}  // namespace

napi_value args(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  std::span<double> facts;
  if (is_given(call, 1)) {
    facts = facts_of(call, 1);
    if (facts.empty()) return nullptr;
  }
  ArgumentArray line(call.env, nullptr, ends_in(facts));
  const ArgsReason reason = call.reader().arguments(*pid, line);
  line.finish();
  if (reason != ArgsReason::kRead || !line.complete()) return null(call.env);
  if (line.told_by_ends() != 0) {
    write_told(facts, line.told_by_ends());
    return line.text();
  }
  if (!line.appended()) {
    napi_value none = nullptr;
    return napi_create_array(call.env, &none) == napi_ok ? none : nullptr;
  }
  return line.kept() ? line.array() : null(call.env);
}

napi_value inspect(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  std::span<double> facts = facts_of(call, 1);
  if (facts.empty()) return nullptr;
  const bool with_args = is_given(call, 2);
  if (with_args && !is_empty_array(call.env, call.arguments[2], "args")) return nullptr;

  ArgumentArray line(call.env, call.arguments[2], ends_in(facts));
  const std::optional<Snapshot> snapshot = look_at(call, *pid, with_args, line);
  if (!snapshot) return nullptr;
  if (line.appended()) {
    // Asked again: appending to an array may run the caller's code (a setter on Array.prototype),
    // which may have detached this one.
    facts = facts_of(call, 1);
    if (facts.empty()) return nullptr;
  }
  if (!has_arguments(call, *snapshot, line)) return nullptr;
  write_facts(facts, *snapshot, line);
  const bool read = snapshot->args_reason == ArgsReason::kRead;
  return read && line.text() != nullptr ? line.text() : null(call.env);
}

napi_value inspect_many(const Call& call) {
  const std::optional<std::uint32_t> count =
      to_integer<std::uint32_t>(call.env, call.arguments[1], "count");
  if (!count) return nullptr;
  if (*count == 0 || *count > kMostAtOnce) {
    throw_range_error(call.env, "count", "from 1 to 64");
    return nullptr;
  }
  std::optional<Many> many = to_many(call, *count);
  const std::optional<double> budget_ms =
      many ? to_amount(call.env, call.arguments[3], "budgetMs") : std::nullopt;
  if (!budget_ms) return nullptr;
  const napi_value lines = call.arguments[4];
  const bool with_args = is_given(call, 4);
  if (with_args && !is_empty_array(call.env, lines, "lines")) return nullptr;

  napi_value texts[kMostAtOnce] = {};
  napi_value arrays[kMostAtOnce] = {};
  const TimeBudget budget(*budget_ms);
  std::uint32_t done = 0;
  while (done < *count && (done == 0 || !budget.used_up())) {
    ArgumentArray line(call.env, nullptr, ends_in(many->row(done)));
    const std::optional<Snapshot> snapshot = look_at(call, many->pids[done], with_args, line);
    if (!snapshot) return nullptr;
    // See inspect().
    if (line.appended()) many = to_many(call, *count);
    if (!many || !has_arguments(call, *snapshot, line)) return nullptr;
    write_facts(many->row(done), *snapshot, line);
    if (snapshot->args_reason == ArgsReason::kRead) {
      texts[done] = line.text();
      arrays[done] = line.array();
    }
    ++done;
  }
  // Last, since these may run the caller's code, too.
  for (std::uint32_t i = 0; with_args && i < done; ++i) {
    if (!put(call.env, lines, 2 * i, texts[i]) || !put(call.env, lines, 2 * i + 1, arrays[i])) {
      return nullptr;
    }
  }
  return number(call.env, done);
}

napi_value identity(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  const std::span<double> facts = facts_of(call, 1);
  if (facts.empty()) return nullptr;
  write_identity(facts, call.reader().identity(*pid));
  return nullptr;
}

void write_identity(std::span<double> facts, const Identity& identity) {
  const std::optional<std::uint64_t>& id = identity.exact_id;
  facts[0] = fact(identity.liveness.state);
  facts[1] = fact(identity.liveness.reason);
  facts[2] = fact(identity.start_time);
  // Two numbers, since one holds 53 bits.
  facts[3] = fact(id ? std::optional(*id >> 32) : std::nullopt);
  facts[4] = fact(id ? std::optional(*id & UINT32_MAX) : std::nullopt);
}

napi_value list(const Call& call) {
  std::vector<Pid> pids;
  if (!call.reader().list(pids)) return null(call.env);
  void* room = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(call.env, pids.size() * sizeof(Pid), &room, &buffer) != napi_ok ||
      napi_create_typedarray(call.env, napi_uint32_array, pids.size(), buffer, 0, &array) !=
          napi_ok) {
    return nullptr;
  }
  std::ranges::copy(pids, static_cast<Pid*>(room));
  return array;
}

}  // namespace pidentity
