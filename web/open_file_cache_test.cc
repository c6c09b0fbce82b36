#include "squall/web/open_file_cache.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/web/open_file.h"

namespace squall {
namespace {

namespace fs = std::filesystem;

constexpr auto kNotFound = absl::StatusCode::kNotFound;
// What a test sees at once it does not see by the age of an entry.
constexpr OpenFileCacheOptions kForEver = {.valid = absl::InfiniteDuration()};

size_t Descriptors() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

Task<> Tick() { co_await Sleep(absl::Milliseconds(1)); }

class OpenFileCacheTest : public testing::Test {
 protected:
  OpenFileCacheTest() : root_(fs::path(getenv("TEST_TMPDIR")) / "open_file_cache_test") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    IOLoop::Current();
  }
  ~OpenFileCacheTest() override { fs::remove_all(root_); }

  void Write(const std::string& name, std::string_view text) const {
    std::ofstream(root_ / name, std::ios::trunc) << text;
  }
  // Waits until what is changed now has another change time than `name`.
  void AwaitTick(const std::string& name) const {
    struct stat before = {};
    struct stat probe = {};
    ASSERT_EQ(::stat((root_ / name).c_str(), &before), 0);
    do {
      Write("probe", "x");
      ASSERT_EQ(::stat((root_ / "probe").c_str(), &probe), 0);
    } while (probe.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             probe.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  }
  absl::StatusOr<OpenFile> Open(OpenFileCache& cache, const std::string& name,
                                SymbolicLinks links = SymbolicLinks::kWithinRoot) const {
    return cache.Open(root_, name, links);
  }
  // What the descriptor gives, as long as the stat says that it is.
  std::string Text(OpenFileCache& cache, const std::string& name) const {
    const absl::StatusOr<OpenFile> file = Open(cache, name);
    if (!file.ok()) return absl::StrCat("not opened: ", file.status().ToString());
    return TextOf(*file);
  }
  static std::string TextOf(const OpenFile& file) {
    std::string text(file.stat.st_size, '\0');
    const ssize_t got = ::pread(file.fd->get(), text.data(), text.size(), 0);
    return got == file.stat.st_size ? text : absl::StrCat("got ", got, " octets");
  }
  // Runs the loop until it is so, for ten seconds at most.
  template <class Condition>
  static bool Await(Condition condition) {
    const MonotonicTime deadline = Clock::Real().Now() + absl::Seconds(10);
    while (!condition()) {
      if (Clock::Real().Now() > deadline) return false;
      EXPECT_THAT(IOLoop::Current().RunSync(Tick()), IsOk());
    }
    return true;
  }

  fs::path root_;
};

TEST_F(OpenFileCacheTest, OneDescriptorForManyRequests) {
  Write("a", "one");
  OpenFileCache cache(kForEver);
  const int fd = Open(cache, "a")->fd->get();
  const size_t before = Descriptors();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Open(cache, "a")->fd->get(), fd);
  EXPECT_EQ(Text(cache, "a"), "one");
  EXPECT_EQ(cache.opened(), 1u);
  EXPECT_EQ(Descriptors(), before);
  cache.Clear();
  EXPECT_EQ(Descriptors(), before - 1);
  EXPECT_EQ(Text(cache, "a"), "one");
}

TEST_F(OpenFileCacheTest, AFileThatGrowsOrShrinksIsDescribedAsItIs) {
  OpenFileCache cache(kForEver);
  Write("a", "one");
  EXPECT_EQ(Text(cache, "a"), "one");
  std::ofstream(root_ / "a", std::ios::app) << " and two";
  EXPECT_EQ(Text(cache, "a"), "one and two");
  ASSERT_EQ(::truncate((root_ / "a").c_str(), 2), 0);
  EXPECT_EQ(Text(cache, "a"), "on");
  // Of the same size, so that only the dates tell.
  AwaitTick("a");
  Write("a", "no");
  const absl::StatusOr<OpenFile> file = Open(cache, "a");
  struct stat now = {};
  ASSERT_EQ(::stat((root_ / "a").c_str(), &now), 0);
  EXPECT_EQ(file->stat.st_mtim.tv_nsec, now.st_mtim.tv_nsec);
  EXPECT_EQ(TextOf(*file), "no");
}

TEST_F(OpenFileCacheTest, AReplacedFileIsSeenAtOnceAndOldAnswersKeepTheirs) {
  OpenFileCache cache(kForEver);
  Write("a", "old");
  const absl::StatusOr<OpenFile> old = Open(cache, "a");
  Write("b", "replacement");
  fs::rename(root_ / "b", root_ / "a");
  EXPECT_EQ(Text(cache, "a"), "replacement");
  EXPECT_EQ(TextOf(*old), "old");
}

TEST_F(OpenFileCacheTest, WhatIsGoneIsSeenAtOnce) {
  OpenFileCache cache(kForEver);
  Write("a", "one");
  EXPECT_EQ(Text(cache, "a"), "one");
  fs::remove(root_ / "a");
  EXPECT_THAT(Open(cache, "a"), StatusIs(kNotFound));
  Write("b", "two");
  EXPECT_EQ(Text(cache, "b"), "two");
  AwaitTick("b");
  fs::rename(root_ / "b", root_ / "c");
  EXPECT_THAT(Open(cache, "b"), StatusIs(kNotFound));
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(OpenFileCacheTest, AnotherDirectoryOrLinkIsSeenWithinTheValidTime) {
  fs::create_directory(root_ / "one");
  fs::create_directory(root_ / "two");
  Write("one/a", "1");
  Write("two/a", "2");
  fs::create_directory_symlink("one", root_ / "link");
  OpenFileCache for_ever(kForEver);
  OpenFileCache cache({.valid = absl::Milliseconds(50)});
  EXPECT_EQ(Text(for_ever, "link/a"), "1");
  EXPECT_EQ(Text(cache, "link/a"), "1");
  fs::create_directory_symlink("two", root_ / "next");
  fs::rename(root_ / "next", root_ / "link");
  EXPECT_TRUE(Await([&] { return Text(cache, "link/a") == "2"; }));
  EXPECT_EQ(Text(for_ever, "link/a"), "1") << "it knows the file by its name alone";
}

TEST_F(OpenFileCacheTest, ALinkThatLeadsOutLaterIsRefused) {
  Write("a", "inside");
  fs::create_symlink("a", root_ / "link");
  OpenFileCache cache({.valid = absl::Milliseconds(50)});
  EXPECT_EQ(Text(cache, "link"), "inside");
  fs::create_symlink("/etc/passwd", root_ / "next");
  fs::rename(root_ / "next", root_ / "link");
  EXPECT_TRUE(Await([&] { return absl::IsPermissionDenied(Open(cache, "link").status()); }));
  // Each rule about links has entries of its own.
  EXPECT_THAT(Open(cache, "link", SymbolicLinks::kAnywhere), IsOk());
  EXPECT_THAT(Open(cache, "link"), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(OpenFileCacheTest, NothingStaysOpenIfThatIsTheWish) {
  Write("a", "one");
  OpenFileCache none({.max_files = 0});
  OpenFileCache never({.valid = absl::ZeroDuration()});
  const size_t before = Descriptors();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Text(none, "a"), "one");
    EXPECT_EQ(Text(never, "a"), "one");
  }
  EXPECT_EQ(Descriptors(), before);
  EXPECT_EQ(none.opened(), 3u);
  EXPECT_EQ(never.opened(), 3u);
}

TEST_F(OpenFileCacheTest, AbsentFilesAreRememberedOnlyWhenAskedAndNotForLong) {
  OpenFileCache cache({.valid = absl::Milliseconds(50)});
  EXPECT_THAT(Open(cache, "a"), StatusIs(kNotFound));
  Write("a", "one");
  EXPECT_EQ(Text(cache, "a"), "one");
  const auto find = [&](OpenFileCache& where) {
    return where.Open(root_, "b", SymbolicLinks::kWithinRoot, OpenFileCache::Absent::kRemember);
  };
  OpenFileCache for_ever(kForEver);
  EXPECT_THAT(find(cache), StatusIs(kNotFound));
  EXPECT_THAT(find(for_ever), StatusIs(kNotFound));
  Write("b", "two");
  EXPECT_THAT(find(for_ever), StatusIs(kNotFound));
  EXPECT_EQ(for_ever.opened(), 1u);
  EXPECT_TRUE(Await([&] { return find(cache).ok(); }));
}

TEST_F(OpenFileCacheTest, TheLeastRecentlyUsedMakesRoom) {
  for (const char* name : {"a", "b", "c", "d"}) Write(name, name);
  OpenFileCache cache({.max_files = 3, .valid = absl::InfiniteDuration()});
  const size_t before = Descriptors();
  for (const char* name : {"a", "b", "c", "a", "d"}) EXPECT_EQ(Text(cache, name), name);
  EXPECT_EQ(Descriptors(), before + 3);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.opened(), 4u);
  for (const char* name : {"a", "c", "d"}) EXPECT_EQ(Text(cache, name), name);
  EXPECT_EQ(cache.opened(), 4u);
  EXPECT_EQ(Text(cache, "b"), "b");
  EXPECT_EQ(cache.opened(), 5u);
}

TEST_F(OpenFileCacheTest, OnlyFilesAndDirectoriesStayOpen) {
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  fs::create_directory(root_ / "directory");
  OpenFileCache cache(kForEver);
  EXPECT_THAT(Open(cache, "fifo"), IsOk());
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_THAT(Open(cache, "directory"), IsOk());
  EXPECT_THAT(Open(cache, ""), IsOk());
  EXPECT_EQ(cache.size(), 2u);
}

TEST_F(OpenFileCacheTest, InactiveFilesAreClosedWithoutFurtherRequests) {
  Write("a", "one");
  Write("b", "two");
  OpenFileCache cache({.valid = absl::InfiniteDuration(), .inactive = absl::Milliseconds(30)});
  const size_t before = Descriptors();
  EXPECT_EQ(Text(cache, "a"), "one");
  EXPECT_EQ(Text(cache, "b"), "two");
  EXPECT_TRUE(Await([&] {
    EXPECT_EQ(Text(cache, "b"), "two");
    return cache.size() == 1;
  })) << "only the one that is used";
  EXPECT_TRUE(Await([&] { return cache.size() == 0; }));
  EXPECT_EQ(Descriptors(), before);
}

class FewDescriptors : public OpenFileCacheTest {
 protected:
  FewDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit few = before_;
    few.rlim_cur = 120;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 40; ++i) Write(absl::StrCat(i), "text");
  }
  ~FewDescriptors() override { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

  void Take(size_t free) {
    while (Descriptors() + free < 121) {  // the look at /proc is one itself
      taken_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      ASSERT_TRUE(taken_.back().valid());
    }
  }

  rlimit before_ = {};
  std::vector<UniqueFd> taken_;
};

TEST_F(FewDescriptors, AnEighthIsTheMost) {
  OpenFileCache cache(kForEver);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(Text(cache, absl::StrCat(i)), "text");
  EXPECT_EQ(cache.size(), 15u);
}

TEST_F(FewDescriptors, NothingIsKeptWhenMostAreInUse) {
  OpenFileCache cache(kForEver);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Text(cache, absl::StrCat(i)), "text");
  Take(10);
  EXPECT_EQ(cache.size(), 5u);
  EXPECT_EQ(Text(cache, "5"), "text");
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(FewDescriptors, GivesUpItsOwnWhenThereAreNone) {
  OpenFileCache cache(kForEver);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Text(cache, absl::StrCat(i)), "text");
  Take(1);
  // That one is for the root, so there is none for the file.
  EXPECT_EQ(Text(cache, "5"), "text");
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(OpenFileCacheTest, AForkedProcessOpensItsOwn) {
  Write("a", "one");
  OpenFileCache cache(kForEver);
  EXPECT_EQ(Text(cache, "a"), "one");
  IOLoop::ClearCurrent();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool own = Text(cache, "a") == "one" && cache.opened() == 2;
    const bool kept = Text(cache, "a") == "one" && cache.opened() == 2 && cache.size() == 1;
    // One descriptor in all: what was inherited is closed.
    const size_t with_file = Descriptors();
    cache.Clear();
    ::_exit(own && kept && Descriptors() == with_file - 1 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Text(cache, "a"), "one");
  EXPECT_EQ(cache.opened(), 1u);
}

}  // namespace
}  // namespace squall
