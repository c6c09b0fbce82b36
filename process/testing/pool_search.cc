#include "squall/process/testing/pool_search.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_event.h"
#include "squall/process/testing/pool_fingerprint.h"

namespace squall::testing {
namespace {

// Of the states that were reached by another way, too, and of those that were not expanded.
constexpr size_t kSampleOneIn = 128;

}  // namespace

PoolSearch::PoolSearch(const PoolOptions& options, std::vector<PoolMove> deviations)
    : options_(options), deviations_(std::move(deviations)), scratch_(options, 1) {}

void PoolSearch::Run(int deviations) {
  PoolModel start(options_, 1);
  start.Send(PoolStart{});
  Reach(PoolFingerprint::Of(start), 0, {PoolMove::kFork, 0, false});

  // Breadth first by deviations; a node that is reached again by a simpler way is queued again.
  PoolModel parent = start;
  PoolModel model = start;
  uint32_t parent_node = 0;
  for (size_t distance = 0; distance < by_distance_.size() && error_.empty(); ++distance) {
    if (distance > static_cast<size_t>(deviations)) break;
    for (size_t i = 0; i < by_distance_[distance].size() && error_.empty(); ++i) {
      const uint32_t node = by_distance_[distance][i];
      if (nodes_[node].expanded) continue;
      if (node != 0 && nodes_[node].parent != parent_node) {
        parent_node = nodes_[node].parent;
        parent = Replay(parent_node);
      }
      model = parent;
      if (node != 0) Take(model, nodes_[node].step);
      Expand(node, model);
    }
  }
  if (error_.empty()) CheckRest();
  if (error_.empty()) CheckFingerprints();
}

// ---------------------------------------------------------------------------------------------------
// Moves.

std::vector<PoolSearch::Step> PoolSearch::Steps(const PoolModel& model) const {
  std::vector<Step> steps;
  if (model.pool().finished()) return steps;
  bool due = false;
  const auto add = [&](PoolMove move, uint8_t of, bool deviates) {
    steps.push_back({move, of, deviates});
    due |= !deviates;
  };
  for (uint8_t i = 0; i < model.processes().size(); ++i) {
    const ModelProcess& process = model.processes()[i];
    if (process.life == ModelProcess::Life::kAsked) {
      add(PoolMove::kFork, i, false);
    } else {
      const bool stops = process.asked_to_stop();
      add(PoolMove::kEnd, i, !stops);
      if (process.leader && process.leader_revoked) add(PoolMove::kReleaseLeader, i, false);
      if (!process.ready_told) add(PoolMove::kReady, i, stops);
    }
    AddDeviations(model, i, steps);
  }
  const auto allowed = [this](PoolMove move) {
    return std::find(deviations_.begin(), deviations_.end(), move) != deviations_.end();
  };
  if (allowed(PoolMove::kResize)) {
    for (uint8_t target = 0; target <= options_.max_workers; ++target) {
      if (target != model.pool().pool().desired) steps.push_back({PoolMove::kResize, target, true});
    }
  }
  if (allowed(PoolMove::kRestart)) steps.push_back({PoolMove::kRestart, 0, true});
  if (allowed(PoolMove::kShutdown)) steps.push_back({PoolMove::kShutdown, 0, true});
  if (!model.pool().next_deadline().is_infinite()) add(PoolMove::kDeadline, 0, due);
  return steps;
}

void PoolSearch::AddDeviations(const PoolModel& model, uint8_t process,
                               std::vector<Step>& steps) const {
  const ModelProcess& of = model.processes()[process];
  const bool asked = of.life == ModelProcess::Life::kAsked;
  for (const PoolMove move : deviations_) {
    bool possible = false;
    switch (move) {
      case PoolMove::kForkFails:
        possible = asked;
        break;
      case PoolMove::kExit3:
      case PoolMove::kCrash:
        possible = !asked;
        break;
      case PoolMove::kAbort:
      case PoolMove::kReplace:
        possible = of.ready_told && !of.asked_to_stop();
        break;
      case PoolMove::kKill:
        possible = !asked && of.kill.is_infinite();
        break;
      case PoolMove::kFork:
      case PoolMove::kReady:
      case PoolMove::kEnd:
      case PoolMove::kReleaseLeader:
      case PoolMove::kDeadline:
      case PoolMove::kResize:
      case PoolMove::kRestart:
      case PoolMove::kShutdown:
        break;
    }
    if (possible) steps.push_back({move, process, true});
  }
}

void PoolSearch::Take(PoolModel& model, const Step& step) {
  const auto process = [&]() -> ModelProcess& { return model.processes()[step.of]; };
  switch (step.move) {
    case PoolMove::kFork:
      model.Send(model.Fork(process()));
      return;
    case PoolMove::kReady:
      model.Send(WorkerReady{process().slot, process().incarnation});
      return;
    case PoolMove::kEnd:
      model.Send(model.Die(process(), ExitStatus::Exited(0)));
      return;
    case PoolMove::kReleaseLeader:
      model.Send(LeaderReleased{process().slot, process().incarnation});
      return;
    case PoolMove::kDeadline:
      model.AdvanceToDeadline();
      model.Send(PoolTick{});
      return;
    case PoolMove::kForkFails:
      model.Send(model.FailFork(process()));
      return;
    case PoolMove::kExit3:
      model.Send(model.Die(process(), ExitStatus::Exited(3)));
      return;
    case PoolMove::kCrash:
      model.Send(model.Die(process(), ExitStatus::Killed(SIGSEGV)));
      return;
    case PoolMove::kAbort:
      model.Send(AbortWorker{process().slot, process().incarnation, SIGABRT, PoolModel::kAbortGrace,
                             "stalled"});
      return;
    case PoolMove::kReplace:
      model.Send(ReplaceWorker{process().slot, process().incarnation, "old"});
      return;
    case PoolMove::kKill:
      model.Send(KillWorker{process().slot, process().incarnation, "operator"});
      return;
    case PoolMove::kResize:
      model.Send(ResizeRequest{.target = step.of});
      return;
    case PoolMove::kRestart:
      model.Send(RestartRequest{});
      return;
    case PoolMove::kShutdown:
      model.Send(ShutdownRequest{});
      return;
  }
}

// ---------------------------------------------------------------------------------------------------
// The search.

std::vector<PoolSearch::Step> PoolSearch::WayTo(uint32_t node) const {
  std::vector<Step> way;
  for (; node != 0; node = nodes_[node].parent) way.push_back(nodes_[node].step);
  std::reverse(way.begin(), way.end());
  return way;
}

PoolModel PoolSearch::Replay(uint32_t node) {
  PoolModel model(options_, 1);
  model.Send(PoolStart{});
  const std::vector<Step> way = WayTo(node);
  for (const Step& step : way) Take(model, step);
  longest_way_ = std::max(longest_way_, way.size());
  return model;
}

void PoolSearch::Expand(uint32_t node, const PoolModel& model) {
  nodes_[node].expanded = true;
  ++expanded_;
  bool rests = true;
  for (const Step& step : Steps(model)) {
    ++steps_;
    scratch_ = model;
    Take(scratch_, step);
    if (!scratch_.error().empty()) return Fail(scratch_.error(), node, &step);
    const uint32_t next = Reach(PoolFingerprint::Of(scratch_), node, step);
    if (step.deviates) continue;
    nodes_[node].next.push_back(next);
    rests = false;
  }
  if (!rests || model.pool().finished()) return;
  scratch_ = model;
  scratch_.CheckRest();
  if (!scratch_.error().empty()) Fail(scratch_.error(), node, nullptr);
}

// The node of the state; a new one when the state is new.
uint32_t PoolSearch::Reach(uint64_t fingerprint, uint32_t parent, const Step& step) {
  const uint16_t distance =
      nodes_.empty() ? 0 : static_cast<uint16_t>(nodes_[parent].distance + step.deviates);
  if (by_distance_.size() <= distance) by_distance_.resize(distance + 1u);
  const auto [it, fresh] =
      by_fingerprint_.emplace(fingerprint, static_cast<uint32_t>(nodes_.size()));
  const uint32_t node = it->second;
  if (fresh) {
    nodes_.push_back({parent, distance, false, step});
    by_distance_[distance].push_back(node);
    return node;
  }
  if (distance < nodes_[node].distance) {
    nodes_[node].parent = parent;
    nodes_[node].distance = distance;
    nodes_[node].step = step;
    by_distance_[distance].push_back(node);
  } else if (steps_ % kSampleOneIn == 0) {
    samples_.push_back({node, parent, step});
  }
  return node;
}

void PoolSearch::Fail(const std::string& what, uint32_t node, const Step* last) {
  error_ = absl::StrCat(what, "; ", nodes_[node].distance,
                        " deviations before the last event. All that happened is above.");
  PoolModel model(options_, 1);
  model.Trace();
  model.Send(PoolStart{});
  for (const Step& step : WayTo(node)) Take(model, step);
  if (last != nullptr) Take(model, *last);
}

// ---------------------------------------------------------------------------------------------------
// What is proven at the end.

// The moves that deviate from nothing make a graph without a circle, so that each way through it
// ends; and it ends in a state that Expand has looked at.
void PoolSearch::CheckRest() {
  constexpr uint32_t kUnknown = ~uint32_t{0};
  constexpr uint32_t kOnTheWay = kUnknown - 1;
  std::vector<uint32_t> to_rest(nodes_.size(), kUnknown);
  std::vector<std::pair<uint32_t, size_t>> way;  // A node, and which of its moves comes next.
  for (uint32_t first = 0; first < nodes_.size(); ++first) {
    if (!nodes_[first].expanded || to_rest[first] != kUnknown) continue;
    way.emplace_back(first, 0);
    to_rest[first] = kOnTheWay;
    while (!way.empty()) {
      const uint32_t node = way.back().first;
      const std::vector<uint32_t>& next = nodes_[node].next;
      if (way.back().second == next.size()) {
        uint32_t longest = 0;
        for (const uint32_t n : next) longest = std::max(longest, to_rest[n] + 1);
        to_rest[node] = longest;
        longest_rest_ = std::max<size_t>(longest_rest_, longest);
        way.pop_back();
        continue;
      }
      const uint32_t to = next[way.back().second++];
      if (to_rest[to] == kOnTheWay) return Fail("it goes round in a circle", to, nullptr);
      if (to_rest[to] != kUnknown) continue;
      to_rest[to] = kOnTheWay;
      way.emplace_back(to, 0);
    }
  }
  // The last states that were reached have not been gone on from.
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    if (nodes_[node].expanded || node % kSampleOneIn != 0) continue;
    PoolModel model = Replay(node);
    model.Converge();
    if (!model.error().empty()) return Fail(model.error(), node, nullptr);
  }
}

void PoolSearch::CheckFingerprints() {
  for (const Sample& sample : samples_) {
    if (!nodes_[sample.node].expanded) continue;
    PoolModel other = Replay(sample.parent);
    Take(other, sample.step);
    const PoolModel model = Replay(sample.node);
    if (Successors(other) == Successors(model)) continue;
    Fail("two states with one fingerprint go on differently, the first one", sample.node, nullptr);
    std::cerr << "--- the second one\n";
    return Fail("two states with one fingerprint go on differently", sample.parent, &sample.step);
  }
}

std::vector<uint64_t> PoolSearch::Successors(const PoolModel& model) const {
  std::vector<uint64_t> fingerprints;
  for (const Step& step : Steps(model)) {
    PoolModel next = model;
    Take(next, step);
    fingerprints.push_back(PoolFingerprint::Of(next));
  }
  std::sort(fingerprints.begin(), fingerprints.end());
  return fingerprints;
}

std::string PoolSearch::Summary() const {
  return absl::StrCat(states(), " states, ", expanded(), " of them expanded, ", steps(),
                      " steps; at most ", longest_way_, " events to a state, ", longest_rest_,
                      " from it to rest");
}

}  // namespace squall::testing
