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

/* What the two ends of the connection alone can make. It names the side that
 * made it, so that it cannot be turned back on its maker. */
static char *
make_mac (QpPaths *paths, const QpMessage *message, gboolean controlling)
{
  const char *text = message->type == QP_MESSAGE_CANDIDATE ? message->candidate
      : message->ufrag                                     ? message->ufrag
                                                           : "";
  g_autofree char *all = g_strdup_printf ("%s\n%s\n%u\n%s\n%s",
      qp_message_type_to_string (message->type), message->call, message->path,
      controlling ? "controlling" : "controlled", text);

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, paths->key,
      sizeof paths->key, all, -1);
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
  g_autofree char *mac = make_mac (paths, message, !paths->config.controlling);
  guint difference = 0;

  if (!message->mac || strlen (message->mac) != strlen (mac))
    return FALSE;
  for (gsize i = 0; mac[i]; i++)
    difference |= (guint) (mac[i] ^ message->mac[i]);
  return difference == 0;
}

/* Takes the message. Path 0 is older than the key. */
static void
send_message (QpPathEntry *entry, QpMessage *message)
{
  QpPaths *paths = entry->paths;

  message->call = g_strdup (paths->call);
  message->path = entry->number;
  if (paths->started && entry->role != QP_PATH_ROLE_FIRST)
    message->mac = make_mac (paths, message, paths->config.controlling);
  paths->callbacks.signal (message, paths->user);
  qp_message_free (message);
}

static void
send_description (QpPathEntry *entry, QpMessageType type)
{
  QpMessage *message = qp_message_new (type);

  message->ufrag = g_strdup (qp_path_get_ufrag (entry->path));
  send_message (entry, message);
}

void
qp_path_entry_send_candidate (QpPathEntry *entry, const char *candidate)
{
  QpMessage *message = qp_message_new (QP_MESSAGE_CANDIDATE);

  message->candidate = g_strdup (candidate);
  send_message (entry, message);
}

void
qp_path_entry_offer (QpPathEntry *entry)
{
  send_description (entry, QP_MESSAGE_PATH_OFFER);
  qp_path_gather (entry->path);
}

void
qp_path_entry_send_gone (QpPathEntry *entry)
{
  if (entry->paths->started && entry->role != QP_PATH_ROLE_FIRST)
    send_message (entry, qp_message_new (QP_MESSAGE_PATH_GONE));
}

/* --- What we are sent ------------------------------------------------------ */

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
  g_autofree char *password = qp_paths_make_password (entry->paths,
      entry->number, !entry->paths->config.controlling);
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
  /* Numbers rise: what is below was there already, and comes from somebody who
   * has kept it, or too late. */
  if (offer->path <= paths->peer_number)
    return "its number was used already";
  if (!take_token (paths))
    return "the peer offers too many";
  if (!qp_paths_make_room (paths, FALSE))
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
      send_description (entry, QP_MESSAGE_PATH_ANSWER);
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
  paths->peer_number = offer->path;
  entry = qp_paths_add (paths, offer->path, QP_PATH_ROLE_PEER, NULL);
  send_description (entry, QP_MESSAGE_PATH_ANSWER);
  if (take_credentials (entry, offer))
    qp_path_gather (entry->path);
}

static void
handle_answer (QpPaths *paths, const QpMessage *answer)
{
  QpPathEntry *entry = qp_paths_find (paths, answer->path);

  if (!entry || !qp_path_entry_is_ours (entry) || entry->answered ||
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

  if (!entry ||
      (entry->role != QP_PATH_ROLE_FIRST && !has_true_mac (paths, message)))
    return;
  if (message->candidate[0] == '\0')
    qp_path_remote_gathering_done (entry->path);
  else if (!qp_path_add_remote_candidate (entry->path, message->candidate,
               &error))
    GST_INFO ("%s: candidate ignored: %s", paths->name, error->message);
}

/* The peer has given it up, and knows best: nothing comes from there. */
static void
handle_gone (QpPaths *paths, const QpMessage *message)
{
  QpPathEntry *entry = qp_paths_find (paths, message->path);

  if (!entry || entry->role == QP_PATH_ROLE_FIRST ||
      !has_true_mac (paths, message))
    return;
  entry->peer_gave_up = TRUE;
  qp_path_entry_lose (entry, "the peer has given it up");
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
  else if (message->type == QP_MESSAGE_PATH_GONE)
    handle_gone (paths, message);
}

static void
repeat_candidates (QpPathEntry *entry)
{
  for (guint i = 0; i < entry->candidates->len; i++)
    qp_path_entry_send_candidate (entry,
        g_ptr_array_index (entry->candidates, i));
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
    send_description (entry,
        qp_path_entry_is_ours (entry) ? QP_MESSAGE_PATH_OFFER
                                      : QP_MESSAGE_PATH_ANSWER);
    repeat_candidates (entry);
  }
}
