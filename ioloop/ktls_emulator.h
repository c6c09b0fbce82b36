// A kernel that has TLS, or has none, whatever the real one does. Tests only.
//
//   KtlsEmulator kernel(KtlsEmulator::Tls::kPresent);
//   ... a connection with TlsProtocolOptions::ktls ...
//   EXPECT_GT(kernel.sendfile_octets(), 0);
//
// While one lives, the program's setsockopt, send, sendmsg and sendfile are replaced: after
// setsockopt(SOL_TLS, TLS_TX) the emulator makes the records with the keys that it was given, as
// net/tls/tls_sw.c does, and any TLS peer can read them. Like the kernel it takes records that TCP
// has no room for; they stay with it until the next call or Push(), and a FIN overtakes them. For
// statically linked tests (linkstatic = True) with one thread.
#ifndef SQUALL_IOLOOP_KTLS_EMULATOR_H_
#define SQUALL_IOLOOP_KTLS_EMULATOR_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace squall::internal {

class KtlsEmulator {
 public:
  enum class Tls { kPresent, kMissing };

  explicit KtlsEmulator(Tls tls);
  KtlsEmulator(const KtlsEmulator&) = delete;
  KtlsEmulator& operator=(const KtlsEmulator&) = delete;
  ~KtlsEmulator();

  // Sockets that asked for TLS, and those that got it.
  int asked() const { return asked_; }
  int started() const { return started_; }
  // What sendfile(2) has sent.
  uint64_t sendfile_octets() const { return sendfile_octets_; }
  // How many records of that type have been made.
  int records(uint8_t type) { return records_[type]; }

  // Gives TCP what waits, as the kernel does by itself when there is room. What waits still.
  size_t Push();
  // Octets that may wait when another record is taken.
  void set_room(size_t room) { room_ = room; }

  // What takes the place of the system calls: false to go on with the real one, else the result.
  static bool SetOption(int fd, int level, int name, const void* value, int* result);
  static bool Send(int fd, uint8_t type, std::string_view data, ssize_t* result);
  static bool SendFile(int fd, int file, off_t* offset, size_t size, ssize_t* result);

 private:
  struct Socket {
    int fd = -1;
    uint16_t version = 0;
    uint16_t cipher = 0;
    std::string key;
    std::string salt;  // and then
    std::string iv;
    uint64_t sequence = 0;
    std::string waiting;
  };

  Socket* Find(int fd);
  bool Start(Socket* socket, const void* info);
  std::string Seal(Socket* socket, uint8_t type, std::string_view data);
  ssize_t Take(Socket* socket, uint8_t type, std::string_view data);
  // False with errno, EAGAIN when something has to wait.
  static bool Push(Socket* socket);

  const Tls tls_;
  std::map<uint64_t, Socket> sockets_;  // by inode
  int asked_ = 0;
  int started_ = 0;
  uint64_t sendfile_octets_ = 0;
  size_t room_ = 0;
  std::array<int, 256> records_ = {};
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_KTLS_EMULATOR_H_
