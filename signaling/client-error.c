/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From GIO's and libsoup's errors to ours; see client-error.h. */

#include "signaling/client-error.h"

static const char *
describe_certificate (GTlsCertificateFlags flags)
{
  if (flags & G_TLS_CERTIFICATE_UNKNOWN_CA)
    return "it is not signed by a CA we trust (ca-file names one)";
  if (flags & G_TLS_CERTIFICATE_BAD_IDENTITY)
    return "it was issued for another host name (the uri must name the one in it)";
  if (flags & G_TLS_CERTIFICATE_EXPIRED)
    return "it has expired (if our clock is right)";
  if (flags & G_TLS_CERTIFICATE_NOT_ACTIVATED)
    return "it is not valid yet (if our clock is right)";
  if (flags & G_TLS_CERTIFICATE_REVOKED)
    return "it was revoked";
  return "it is not acceptable";
}

static GError *
tls_error (const GError *cause, const char *where, SoupMessage *message)
{
  GTlsCertificateFlags flags = message
      ? soup_message_get_tls_peer_certificate_errors (message)
      : 0;

  if (flags != 0)
    return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CERTIFICATE,
        "The certificate of the signaling server at %s is refused: %s", where,
        describe_certificate (flags));
  return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TLS,
      "No TLS with %s: %s (does the server have a certificate?)", where,
      cause->message);
}

static GError *
io_error (const GError *cause, const char *where)
{
  switch (cause->code) {
    case G_IO_ERROR_CONNECTION_REFUSED:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_REFUSED,
          "No signaling server listens at %s (connection refused)", where);
    case G_IO_ERROR_TIMED_OUT:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TIMED_OUT,
          "The signaling server at %s does not answer", where);
    case G_IO_ERROR_HOST_UNREACHABLE:
    case G_IO_ERROR_NETWORK_UNREACHABLE:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_UNREACHABLE,
          "The signaling server at %s cannot be reached: %s", where,
          cause->message);
    case G_IO_ERROR_HOST_NOT_FOUND:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CANNOT_RESOLVE,
          "The name of the signaling server at %s cannot be resolved: %s",
          where, cause->message);
    case G_IO_ERROR_PARTIAL_INPUT:
    case G_IO_ERROR_CONNECTION_CLOSED:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING,
          "What listens at %s broke off: it is no signaling server, wants TLS "
          "(quicp2ps://), or is just stopping",
          where);
    default:
      return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST,
          "The connection to the signaling server at %s failed: %s", where,
          cause->message);
  }
}

GError *
qp_client_error_new (const GError *cause, const char *where,
    SoupMessage *message)
{
  guint status = message ? soup_message_get_status (message) : 0;

  if (cause->domain == G_RESOLVER_ERROR)
    return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CANNOT_RESOLVE,
        "The name of the signaling server at %s cannot be resolved: %s", where,
        cause->message);
  if (cause->domain == G_TLS_ERROR)
    return tls_error (cause, where, message);
  if (cause->domain == G_IO_ERROR)
    return io_error (cause, where);
  if (cause->domain == SOUP_WEBSOCKET_ERROR && status != 0)
    return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING,
        "What listens at %s is no signaling server: it answered with HTTP status %u",
        where, status);
  return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING,
      "What listens at %s is no signaling server: %s", where, cause->message);
}

gboolean
qp_client_error_is_final (QpSignalingError code, gboolean was_joined)
{
  switch (code) {
    case QP_SIGNALING_ERROR_CERTIFICATE:
      return !was_joined;
    case QP_SIGNALING_ERROR_BAD_MESSAGE:
    case QP_SIGNALING_ERROR_BAD_VERSION:
    case QP_SIGNALING_ERROR_BAD_ROOM:
    case QP_SIGNALING_ERROR_WRONG_SECRET:
    case QP_SIGNALING_ERROR_CONFIG:
      return TRUE;
    default:
      return FALSE;
  }
}
