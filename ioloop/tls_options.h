// What a TLS server and a TLS client are told. Plain structs.
//
//   squall::TlsServerOptions options;
//   options.certificates = {{"/etc/site/rsa.pem", "/etc/site/rsa.key"},
//                           {"/etc/site/ecdsa.pem", "/etc/site/ecdsa.key"}};
//   options.alpn = {"http/1.1"};
//   auto context = squall::TlsServerContext::Create(options);  // an error says what is wrong
//
// The defaults are Mozilla's "intermediate" ones without DHE: TLS 1.2 and 1.3, forward secrecy and
// authenticated encryption only, OpenSSL's security level 2 (RSA keys of 2048 bits, no SHA-1). No
// compression, no renegotiation, no early data, which could be replayed.
#ifndef SQUALL_IOLOOP_TLS_OPTIONS_H_
#define SQUALL_IOLOOP_TLS_OPTIONS_H_

#include <memory>
#include <string>
#include <vector>

#include "squall/ioloop/tls_ticket_keys.h"

namespace squall {

// A certificate with its private key, as PEM files.
struct TlsKeyPair {
  // The certificate of the server or client, then those that lead from it to a root, which is left
  // out.
  std::string certificate_file;
  // May be encrypted, with `passphrase`. Empty: in certificate_file.
  std::string private_key_file = {};
  std::string passphrase = {};
};

enum class TlsVersion { kTls12, kTls13 };

// What both sides have.
struct TlsProtocolOptions {
  TlsVersion min_version = TlsVersion::kTls12;
  // Of TLS 1.2, in OpenSSL's language (ciphers(1)). The server's order counts, but a client
  // without AES hardware, which puts ChaCha20 first, gets it.
  std::string ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
  // Of TLS 1.3, names with colons between. Empty: OpenSSL's.
  std::string cipher_suites = {};
  // For the key exchange, the preferred one first.
  std::string groups = "X25519:P-256:P-384";
  // Kernel TLS (kTLS): the kernel encrypts what is sent, so that Transport::SendFile, and with it the
  // files of an HTTP server, go from the page cache to the network as without TLS. Where the kernel
  // has none (Linux 4.17, for TLS 1.3 5.1; "modprobe tls"), or does not take the cipher (it takes
  // AES-GCM, and from 5.11 on ChaCha20), OpenSSL encrypts as ever; TlsTransport::ktls_send() tells.
  // Receiving stays OpenSSL's.
  //
  // Off by default, as nginx and HAProxy have it. A TLS 1.3 peer that asks for new keys (KeyUpdate),
  // as some do after many gigabytes, loses the connection, for OpenSSL 3.0 cannot tell the kernel of
  // them. A peer that reads so slowly that the socket is full may lose the end of the data when the
  // transport is closed without ShutdownWrite(), which waits. And OpenSSL's providers, such as FIPS's, do
  // not see what the kernel encrypts.
  bool ktls = false;
};

enum class TlsClientCertificate {
  kNone,      // is not asked for
  kOptional,  // is asked for; one that does not verify ends the handshake
  kRequired,
};

struct TlsServerOptions {
  // At least one. A client that names a server (SNI) gets those whose names fit, exact ones before
  // wildcards; all others get the first one's. Several of the same names and of different kinds
  // (ECDSA and RSA) are all offered, and the client chooses.
  std::vector<TlsKeyPair> certificates = {};
  // Application protocols, the preferred one first, for instance "http/1.1". A client that knows
  // none of them is refused (RFC 7301 3.2), one that says nothing of protocols is not.
  std::vector<std::string> alpn = {};
  TlsClientCertificate client_certificate = TlsClientCertificate::kNone;
  // PEM file of the roots that may sign client certificates. Needed unless kNone.
  std::string client_ca_file = {};
  // Who has the same keys resumes the same sessions. Null: keys of this context alone, which are
  // those of every process that is forked after it was made. Share them with the contexts that
  // replace it.
  std::shared_ptr<TlsTicketKeys> ticket_keys = {};
  // Whether a certificate that is out of its dates is an error, or served all the same.
  enum class OutOfDate { kRefuse, kServe } out_of_date = OutOfDate::kRefuse;
  TlsProtocolOptions protocol = {};
};

enum class TlsVerification {
  kPeerAndName,  // a trusted certificate for the name that was asked for
  kPeer,         // a trusted certificate, of whatever name
  kNone,         // anybody
};

struct TlsClientOptions {
  TlsVerification verification = TlsVerification::kPeerAndName;
  // PEM file of the roots that are trusted. Empty: the system's (/etc/ssl/certs).
  std::string ca_file = {};
  // Shown to servers that ask for one. No certificate_file: none.
  TlsKeyPair certificate = {};
  std::vector<std::string> alpn = {};
  TlsProtocolOptions protocol = {};
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_OPTIONS_H_
