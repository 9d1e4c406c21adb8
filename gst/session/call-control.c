/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control stream of a call: the messages of signaling over QUIC, where no
 * server can read, forge or withhold them.  The client opens it; plain RoQ knows
 * none.  Transport thread only. */
#include "session/call-private.h"
#include "session/session-private.h"
#include "signaling/framing.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Unread on the control stream: more means that the peer never will. */
#define MAX_UNSENT (1024 * 1024)

static gboolean
write_message (QpCall *call, const QpMessage *message)
{
  g_autofree char *json = qp_message_to_json (message);
  g_autoptr (GBytes) framed = qp_framing_frame (json);

  return qp_quic_get_unsent (call->quic, call->control) < MAX_UNSENT &&
      qp_quic_write (call->quic, call->control, framed, FALSE);
}

static void
break_control (QpCall *call, const GError *cause)
{
  qp_call_end (call,
      g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST,
          "the peer's control stream is broken: %s", cause->message));
}

static void
control_error (QpCall *call, const GError *refused)
{
  /* A type of a later version is not an error between peers. */
  if (g_error_matches (refused, QP_SIGNALING_ERROR,
          QP_SIGNALING_ERROR_UNKNOWN_TYPE))
    QP_CALL_COMPLAIN (call, "message on the control stream ignored: %s",
        refused->message);
  else
    break_control (call, refused);
}

static void
control_message (QpCall *call, const char *json, gsize size)
{
  g_autoptr (GError) refused = NULL;
  g_autoptr (QpMessage) message = qp_message_parse (json, size, &refused);

  if (!message) {
    control_error (call, refused);
    return;
  }
  switch (message->type) {
    case QP_MESSAGE_CANDIDATE:
      qp_call_handle_candidate (call, message);
      break;
    case QP_MESSAGE_PATH_OFFER:
    case QP_MESSAGE_PATH_ANSWER:
    case QP_MESSAGE_PATH_GONE:
      qp_call_handle_path (call, message);
      break;
    case QP_MESSAGE_PING:
      /* Wants to be nothing but a packet. */
      break;
    default:
      call->callbacks.message (call, message, call->user);
      break;
  }
}

void
qp_call_control_data (QpCall *call, const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  gboolean sound;
  GBytes *bytes;

  if (!call->deframer)
    call->deframer = qp_deframer_new ();

  sound = qp_deframer_push (call->deframer, data, size, &error);
  while (!qp_call_is_over (call) &&
      (bytes = qp_deframer_pull (call->deframer))) {
    gsize length;
    const char *json = g_bytes_get_data (bytes, &length);

    control_message (call, json, length);
    g_bytes_unref (bytes);
  }
  if (!sound)
    break_control (call, error);
}

gboolean
qp_call_send (QpCall *call, const QpMessage *message)
{
  if (call->state != QP_CALL_CONNECTED || call->control < 0)
    return FALSE;
  return write_message (call, message);
}
