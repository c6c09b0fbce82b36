// Session tickets of a server's context. Internal to ioloop's TLS.
#ifndef SQUALL_IOLOOP_TLS_TICKETS_H_
#define SQUALL_IOLOOP_TLS_TICKETS_H_

#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_ticket_keys.h"

namespace squall::internal {

// Has `ctx` make and open its tickets with `keys`, which must outlive it and its connections. They
// are all that `ctx` resumes: it keeps no sessions.
void UseTicketKeys(SSL_CTX* ctx, TlsTicketKeys* keys);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_TICKETS_H_
