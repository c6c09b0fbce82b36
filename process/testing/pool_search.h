// Goes through every order of events in a small pool, and proves of each state that is reached:
// nothing that PoolModel looks at is wrong, and once the faults stop the pool comes to rest where it
// is wanted, in whatever order the remaining messages come.
//
//   PoolSearch search(options, {PoolMove::kRestart, PoolMove::kCrash});
//   search.Run(/*deviations=*/2);
//   EXPECT_EQ(search.error(), "");
//   EXPECT_GT(search.states(), 1000);
//
// What has to come does so in every order and costs nothing: fork, READY, the end of a worker that
// was asked to stop, the leader's release, and the next deadline when nothing else is due. All else
// is a deviation: a request, a fault, or a deadline that comes before a message. The search finds
// every state that takes no more of them than allowed, by a way with the fewest, so that an error is
// told by one of the simplest ways to it. States that behave alike (PoolFingerprint) count as one.
#ifndef SQUALL_PROCESS_TESTING_POOL_SEARCH_H_
#define SQUALL_PROCESS_TESTING_POOL_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "squall/process/pool_options.h"
#include "squall/process/testing/pool_model.h"

namespace squall::testing {

enum class PoolMove : uint8_t {
  // What has to come.
  kFork,
  kReady,
  kEnd,  // Exit 0: as asked, or a deviation.
  kReleaseLeader,
  kDeadline,  // A deviation when something else has to come.
  // Faults.
  kForkFails,
  kExit3,
  kCrash,
  kAbort,  // The watchdog gives a worker up.
  // Requests.
  kReplace,
  kKill,
  kResize,  // To any target.
  kRestart,
  kShutdown,
};

class PoolSearch {
 public:
  // `deviations` are the faults and requests to search with; late deadlines and unasked ends belong
  // to every search. The options must be fit for PoolFingerprint, and their times whole seconds as
  // short as possible, for each second makes more states.
  PoolSearch(const PoolOptions& options, std::vector<PoolMove> deviations);

  // Once.
  void Run(int deviations);

  // What was wrong, with all events on the way to it; empty when nothing was.
  const std::string& error() const { return error_; }
  // States that were reached and looked at, and those of them from which every move was made.
  size_t states() const { return nodes_.size(); }
  size_t expanded() const { return expanded_; }
  size_t steps() const { return steps_; }
  // The most moves from the start to a state by the simplest way, and from a state to rest.
  size_t longest_way() const { return longest_way_; }
  size_t longest_rest() const { return longest_rest_; }
  // One line for people.
  std::string Summary() const;

 private:
  struct Step {
    PoolMove move;
    uint8_t of;  // The process by its place in the model, or the target.
    bool deviates;
  };
  // A state: how it is reached, and what happens to it when nothing deviates.
  struct Node {
    uint32_t parent;
    uint16_t distance;
    bool expanded;
    Step step;
    std::vector<uint32_t> next{};
  };
  // Another way to a state than its node's.
  struct Sample {
    uint32_t node;
    uint32_t parent;
    Step step;
  };

  std::vector<Step> Steps(const PoolModel& model) const;
  void AddDeviations(const PoolModel& model, uint8_t process, std::vector<Step>& steps) const;
  static void Take(PoolModel& model, const Step& step);
  // The model in the state of a node.
  PoolModel Replay(uint32_t node);
  std::vector<Step> WayTo(uint32_t node) const;
  void Expand(uint32_t node, const PoolModel& model);
  uint32_t Reach(uint64_t fingerprint, uint32_t parent, const Step& step);
  void Fail(const std::string& what, uint32_t node, const Step* last);

  // Every order of what has to come leads from every state to rest.
  void CheckRest();
  // What follows from a state does not depend on the way to it, or fingerprints are too coarse.
  void CheckFingerprints();
  std::vector<uint64_t> Successors(const PoolModel& model) const;

  PoolOptions options_;
  std::vector<PoolMove> deviations_;
  std::vector<Node> nodes_;
  absl::flat_hash_map<uint64_t, uint32_t> by_fingerprint_;
  std::vector<std::vector<uint32_t>> by_distance_;
  std::vector<Sample> samples_;
  PoolModel scratch_;  // Its memory is used again.
  size_t expanded_ = 0;
  size_t steps_ = 0;
  size_t longest_way_ = 0;
  size_t longest_rest_ = 0;
  std::string error_;
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_POOL_SEARCH_H_
