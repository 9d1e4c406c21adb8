/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of error codes; see error.h. */

#include "signaling/error.h"

static const char *const error_strings[] = {
  [QP_SIGNALING_ERROR_BAD_MESSAGE] = "bad-message",
  [QP_SIGNALING_ERROR_NO_TYPE] = "no-type",
  [QP_SIGNALING_ERROR_UNKNOWN_TYPE] = "unknown-type",
  [QP_SIGNALING_ERROR_TOO_BIG] = "too-big",
  [QP_SIGNALING_ERROR_BAD_VERSION] = "bad-version",
  [QP_SIGNALING_ERROR_BAD_ROOM] = "bad-room",
  [QP_SIGNALING_ERROR_NOT_JOINED] = "not-joined",
  [QP_SIGNALING_ERROR_ALREADY_JOINED] = "already-joined",
  [QP_SIGNALING_ERROR_WRONG_SECRET] = "wrong-secret",
  [QP_SIGNALING_ERROR_ROOM_FULL] = "room-full",
  [QP_SIGNALING_ERROR_TOO_MANY_ROOMS] = "too-many-rooms",
  [QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS] = "too-many-connections",
  [QP_SIGNALING_ERROR_NO_SUCH_PEER] = "no-such-peer",
  [QP_SIGNALING_ERROR_PEER_AWAY] = "peer-away",
  [QP_SIGNALING_ERROR_RATE_LIMITED] = "rate-limited",
  [QP_SIGNALING_ERROR_TOO_SLOW] = "too-slow",
  [QP_SIGNALING_ERROR_REPLACED] = "replaced",
  [QP_SIGNALING_ERROR_IDLE] = "idle",
  [QP_SIGNALING_ERROR_DRAINING] = "draining",
  [QP_SIGNALING_ERROR_INTERNAL] = "internal",
  [QP_SIGNALING_ERROR_BAD_URI] = "bad-uri",
  [QP_SIGNALING_ERROR_CANNOT_RESOLVE] = "cannot-resolve",
  [QP_SIGNALING_ERROR_REFUSED] = "refused",
  [QP_SIGNALING_ERROR_UNREACHABLE] = "unreachable",
  [QP_SIGNALING_ERROR_TLS] = "tls-refused",
  [QP_SIGNALING_ERROR_CERTIFICATE] = "bad-certificate",
  [QP_SIGNALING_ERROR_NOT_SIGNALING] = "not-signaling",
  [QP_SIGNALING_ERROR_TIMED_OUT] = "timed-out",
  [QP_SIGNALING_ERROR_LOST] = "connection-lost",
  [QP_SIGNALING_ERROR_IN_USE] = "in-use",
  [QP_SIGNALING_ERROR_CONFIG] = "bad-config",
};

G_DEFINE_QUARK (qp_signaling_error, qp_signaling_error)

const char *
qp_signaling_error_to_string (QpSignalingError code)
{
  if ((guint) code >= G_N_ELEMENTS (error_strings))
    return error_strings[QP_SIGNALING_ERROR_INTERNAL];
  return error_strings[code];
}

gboolean
qp_signaling_error_from_string (const char *string, QpSignalingError *code)
{
  for (guint i = 0; i < G_N_ELEMENTS (error_strings); i++) {
    if (g_str_equal (error_strings[i], string)) {
      *code = i;
      return TRUE;
    }
  }
  return FALSE;
}
