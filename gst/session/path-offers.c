/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the two ends of a call agree on a further path: offers and answers, which
 * prove by a MAC who made them, and candidates.  What anybody else sends, or
 * sends again, is ignored; what the peer itself sends is bounded.  See paths.h.
 */
#include "session/paths-private.h"

#include <string.h>

#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Offers of the peer: QP_PATHS_OFFER_BURST at once, then one in so long. */
#define OFFER_REFILL_US (G_USEC_PER_SEC / 2)

/* --- What we send --------------------------------------------------------- */

/* What the two ends of the connection alone can make. */
static char *
make_mac (QpPaths *paths, const QpMessage *message)
{
  g_autofree char *text = g_strdup_printf ("%s\n%s\n%u\n%s",
      qp_message_type_to_string (message->type), message->call, message->path,
      message->ufrag);

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, paths->key,
      sizeof paths->key, text, -1);
}

/* The ICE password of one side on one path: known to both ends of the
 * connection, so that it need not be sent and nobody else can answer checks. */
char *
qp_paths_make_password (QpPaths *paths, guint number, gboolean controlling)
{
  g_autofree char *text = g_strdup_printf ("ice-password\n%s\n%u\n%s",
      paths->call, number, controlling ? "controlling" : "controlled");

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, paths->key,
      sizeof paths->key, text, -1);
}

static gboolean
has_true_mac (QpPaths *paths, const QpMessage *message)
{
  g_autofree char *mac = make_mac (paths, message);
  guint difference = 0;

  if (!message->mac || strlen (message->mac) != strlen (mac))
    return FALSE;
  for (gsize i = 0; mac[i]; i++)
    difference |= (guint) (mac[i] ^ message->mac[i]);
  return difference == 0;
}

void
qp_path_entry_send_description (QpPathEntry *entry, QpMessageType type)
{
  g_autoptr (QpMessage) message = qp_message_new (type);

  message->call = g_strdup (entry->paths->call);
  message->path = entry->number;
  message->ufrag = g_strdup (qp_path_get_ufrag (entry->path));
  message->mac = make_mac (entry->paths, message);
  entry->paths->callbacks.signal (message, entry->paths->user);
}

void
qp_path_entry_send_candidate (QpPathEntry *entry, const char *candidate)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_CANDIDATE);

  message->call = g_strdup (entry->paths->call);
  message->path = entry->number;
  message->candidate = g_strdup (candidate);
  entry->paths->callbacks.signal (message, entry->paths->user);
}

/* --- What we are sent ------------------------------------------------------ */

static gboolean
is_ours (const QpPathEntry *entry)
{
  return entry->role == QP_PATH_ROLE_INTERFACE ||
      entry->role == QP_PATH_ROLE_RELAY;
}

static gboolean
take_token (QpPaths *paths)
{
  gint64 now = g_get_monotonic_time ();

  paths->tokens += (double) (now - paths->tokens_us) / OFFER_REFILL_US;
  paths->tokens = MIN (paths->tokens, QP_PATHS_OFFER_BURST);
  paths->tokens_us = now;
  if (paths->tokens < 1)
    return FALSE;
  paths->tokens -= 1;
  return TRUE;
}

static gboolean
take_credentials (QpPathEntry *entry, const QpMessage *message)
{
  g_autofree char *password = qp_paths_make_password (entry->paths, entry->number,
      !entry->paths->config.controlling);
  g_autoptr (GError) error = NULL;

  if (qp_path_set_remote_credentials (entry->path, message->ufrag, password,
          &error))
    return TRUE;
  qp_path_entry_drop (entry, error->message);
  return FALSE;
}

/* Why an offer is not followed; NULL: it is. */
static const char *
judge_offer (QpPaths *paths, const QpMessage *offer)
{
  gboolean even = offer->path % 2 == 0;

  if (!has_true_mac (paths, offer))
    return "it was not made by the call's peer";
  /* The controlling side's numbers are even: the peer's have the other parity. */
  if (offer->path == 0 || even == paths->config.controlling)
    return "its number is ours to use";
  if (!take_token (paths))
    return "the peer offers too many";
  if (!qp_paths_make_room (paths))
    return "the call has enough paths";
  return NULL;
}

static void
handle_offer (QpPaths *paths, const QpMessage *offer)
{
  QpPathEntry *entry = qp_paths_find (paths, offer->path);
  const char *why;

  /* The same offer comes by both ways, and again when it was not answered. */
  if (entry) {
    if (has_true_mac (paths, offer))
      qp_path_entry_send_description (entry, QP_MESSAGE_PATH_ANSWER);
    return;
  }
  /* By signaling it may come before the connection is complete; by the control
   * stream it comes again. */
  if (!paths->started)
    return;
  why = judge_offer (paths, offer);
  if (why) {
    /* Anybody on the way may send those, as many as they like. */
    GST_INFO ("%s: the offer of path %u is refused: %s", paths->name,
        offer->path, why);
    return;
  }
  entry = qp_paths_add (paths, offer->path, QP_PATH_ROLE_PEER, NULL);
  qp_path_entry_send_description (entry, QP_MESSAGE_PATH_ANSWER);
  if (take_credentials (entry, offer))
    qp_path_gather (entry->path);
}

static void
handle_answer (QpPaths *paths, const QpMessage *answer)
{
  QpPathEntry *entry = qp_paths_find (paths, answer->path);

  if (!entry || !is_ours (entry) || entry->answered ||
      !has_true_mac (paths, answer))
    return;
  entry->answered = TRUE;
  take_credentials (entry, answer);
}

static void
handle_candidate (QpPaths *paths, const QpMessage *message)
{
  QpPathEntry *entry = qp_paths_find (paths, message->path);
  g_autoptr (GError) error = NULL;

  if (!entry)
    return;
  if (message->candidate[0] == '\0')
    qp_path_remote_gathering_done (entry->path);
  else if (!qp_path_add_remote_candidate (entry->path, message->candidate,
               &error))
    GST_INFO ("%s: candidate ignored: %s", paths->name, error->message);
}

void
qp_paths_handle (QpPaths *paths, const QpMessage *message)
{
  if (message->type == QP_MESSAGE_PATH_OFFER)
    handle_offer (paths, message);
  else if (message->type == QP_MESSAGE_PATH_ANSWER)
    handle_answer (paths, message);
  else if (message->type == QP_MESSAGE_CANDIDATE)
    handle_candidate (paths, message);
}

static void
repeat_candidates (QpPathEntry *entry)
{
  for (guint i = 0; i < entry->candidates->len; i++)
    qp_path_entry_send_candidate (entry, g_ptr_array_index (entry->candidates, i));
}

void
qp_paths_repeat_first (QpPaths *paths)
{
  QpPathEntry *entry = qp_paths_find (paths, 0);

  if (entry)
    repeat_candidates (entry);
}

void
qp_paths_repeat (QpPaths *paths)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead || entry->number == 0 || qp_path_entry_is_usable (entry))
      continue;
    qp_path_entry_send_description (entry,
        is_ours (entry) ? QP_MESSAGE_PATH_OFFER : QP_MESSAGE_PATH_ANSWER);
    repeat_candidates (entry);
  }
}

