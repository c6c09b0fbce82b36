// Files among the octets that wait for the socket: each with what follows it, up to the next one.
//
//   squall::internal::UnsentFiles files;
//   files.Add(range);
//   files.back().append("HTTP/1.1 200 OK\r\n...");     // the next answer, behind the file
//   files.Sent(range.size);                            // all of the first one
//   std::string next = files.TakeFront();              // what comes now
//
// Internal to httpserver. Most connections have none, and it is one null pointer then.
#ifndef SQUALL_HTTPSERVER_UNSENT_FILES_H_
#define SQUALL_HTTPSERVER_UNSENT_FILES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "squall/httpserver/file_range.h"

namespace squall::internal {

class UnsentFiles {
 public:
  bool empty() const { return pieces_ == nullptr; }

  // Octets of all the files and of what follows each.
  uint64_t size() const {
    uint64_t size = 0;
    if (empty()) return size;
    for (const Piece& piece : *pieces_) size += piece.range.size + piece.behind.size();
    return size;
  }

  // Of it what is in memory.
  size_t memory() const {
    size_t memory = 0;
    if (empty()) return memory;
    for (const Piece& piece : *pieces_) memory += piece.behind.size();
    return memory;
  }

  void Add(FileRange range) {
    if (empty()) pieces_ = std::make_unique<std::deque<Piece>>();
    pieces_->push_back({std::move(range), std::string()});
  }

  // What is left of the first file, and where what follows the last one goes. Not when empty.
  const FileRange& front() const { return pieces_->front().range; }
  std::string& back() { return pieces_->back().behind; }

  // The first `octets` <= front().size are on their way.
  void Sent(uint64_t octets) {
    pieces_->front().range.offset += octets;
    pieces_->front().range.size -= octets;
  }

  // Forgets the first file and returns what follows it.
  std::string TakeFront() {
    std::string behind = std::move(pieces_->front().behind);
    pieces_->pop_front();
    if (pieces_->empty()) pieces_.reset();
    return behind;
  }

  void Clear() { pieces_.reset(); }

 private:
  struct Piece {
    FileRange range;
    std::string behind;
  };

  std::unique_ptr<std::deque<Piece>> pieces_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_UNSENT_FILES_H_
