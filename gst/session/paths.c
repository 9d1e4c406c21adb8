/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See paths.h. */
#include "session/paths.h"

#include <string.h>

#include "path/interfaces.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* An interface whose path did not come up is tried again after this. */
#define RETRY_US (2 * G_USEC_PER_SEC)
/* A path that is not connected by then makes room. */
#define ATTEMPT_US (12 * G_USEC_PER_SEC)
/* Doubts about a path end after this, twice as much with each further one until
 * it has proved itself: networks recover. */
#define DOUBT_US (5 * G_USEC_PER_SEC)
#define DOUBT_DOUBLINGS 4
/* Offers of the peer: so many at once, then one in so long. */
#define OFFER_BURST 16
#define OFFER_REFILL_US (G_USEC_PER_SEC / 2)
#define UPKEEP_MS 1000

typedef struct {
  QpPaths *paths;
  guint number;
  QpPath *path;
  gboolean ours; /* offered by this side */
  gboolean answered;
  char *interface;       /* ours: restricted to it; NULL: any */
  GPtrArray *candidates; /* ours, told so far, for repeats; of char* */
  gint64 born_us, usable_us;
  gint64 doubted_until_us;
  guint doubts;  /* since it proved itself */
  gboolean lost; /* its network went away */
  gboolean dead; /* to be freed from the idle */
} Entry;

struct _QpPaths {
  GMainContext *context;
  QpPathConfig config; /* interface NULL */
  char *stun_host;
  GPtrArray *turn;
  char *call, *name, *interfaces;
  QpPathsCallbacks callbacks;
  gpointer user;

  GPtrArray
      *entries;  /* of Entry* (owned); the first is path 0 while it lives */
  QpPath *first; /* path 0's, NULL once it is gone */
  guint next_number;
  guint active;
  gboolean started;
  guint8 key[QP_PATHS_KEY_SIZE];

  GHashTable *tried; /* char* interface → gint64*: when it was offered last */
  double tokens;     /* for the peer's offers */
  gint64 tokens_us;
  GSource *upkeep; /* every second once started */
  GSource *idle;   /* frees dead entries */

  guint open; /* paths being closed */
  gboolean freed;
  void (*closed) (gpointer);
  gpointer closed_user;
};

/* --- Entries ---------------------------------------------------------------- */

static Entry *
find_entry (QpPaths *paths, guint number)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->number == number && !entry->dead)
      return entry;
  }
  return NULL;
}

static gboolean
is_usable (const Entry *entry)
{
  QpPathInfo info;

  if (entry->dead || entry->lost)
    return FALSE;
  qp_path_get_info (entry->path, &info);
  return info.state == QP_PATH_CONNECTED;
}

static void
finalize_if_closed (QpPaths *paths)
{
  if (!paths->freed || paths->open > 0)
    return;
  if (paths->closed)
    paths->closed (paths->closed_user);
  g_main_context_unref (paths->context);
  g_free (paths);
}

static void
on_path_closed (gpointer data)
{
  QpPaths *paths = data;

  paths->open--;
  finalize_if_closed (paths);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  entry->paths->open++;
  if (entry->path == entry->paths->first)
    entry->paths->first = NULL;
  qp_path_free (entry->path, on_path_closed, entry->paths);
  g_ptr_array_unref (entry->candidates);
  g_free (entry->interface);
  g_free (entry);
}

static gboolean
on_idle (gpointer data)
{
  QpPaths *paths = data;

  qp_clear_source (&paths->idle);
  for (guint i = paths->entries->len; i > 0; i--) {
    if (((Entry *) g_ptr_array_index (paths->entries, i - 1))->dead)
      g_ptr_array_remove_index (paths->entries, i - 1);
  }
  return G_SOURCE_REMOVE;
}

/* Ends a path, from within any callback. */
static void
drop (Entry *entry, const char *why)
{
  QpPaths *paths = entry->paths;

  if (entry->dead)
    return;
  GST_INFO ("%s: path %u is dropped: %s", paths->name, entry->number, why);
  entry->dead = TRUE;
  if (paths->idle)
    return;
  paths->idle = g_idle_source_new ();
  g_source_set_priority (paths->idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (paths->idle, on_idle, paths, NULL);
  g_source_attach (paths->idle, paths->context);
}

/* --- Messages --------------------------------------------------------------- */

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
static char *
make_password (QpPaths *paths, guint number, gboolean controlling)
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

static void
send_description (Entry *entry, QpMessageType type)
{
  g_autoptr (QpMessage) message = qp_message_new (type);

  message->call = g_strdup (entry->paths->call);
  message->path = entry->number;
  message->ufrag = g_strdup (qp_path_get_ufrag (entry->path));
  message->mac = make_mac (entry->paths, message);
  entry->paths->callbacks.signal (message, entry->paths->user);
}

static void
send_candidate (Entry *entry, const char *candidate)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_CANDIDATE);

  message->call = g_strdup (entry->paths->call);
  message->path = entry->number;
  message->candidate = g_strdup (candidate);
  entry->paths->callbacks.signal (message, entry->paths->user);
}

/* --- From the paths --------------------------------------------------------- */

static void
on_local_candidate (QpPath *path, const char *candidate, gpointer user)
{
  Entry *entry = user;

  if (entry->dead)
    return;
  g_ptr_array_add (entry->candidates, g_strdup (candidate ? candidate : ""));
  send_candidate (entry, candidate ? candidate : "");
}

static void
on_state_changed (QpPath *path, QpPathState state, const char *cause,
    gpointer user)
{
  Entry *entry = user;
  QpPaths *paths = entry->paths;

  if (entry->dead)
    return;
  if (state == QP_PATH_CONNECTED && entry->usable_us == 0)
    entry->usable_us = g_get_monotonic_time ();
  paths->callbacks.state_changed (entry->number, state, cause, paths->user);
  /* The first connection's failure is the call's to judge. */
  if (state == QP_PATH_FAILED && paths->started)
    drop (entry, cause);
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  Entry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.received (entry->number, data, size,
        entry->paths->user);
}

static void
on_received_all (QpPath *path, gpointer user)
{
  Entry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.received_all (entry->paths->user);
}

static const QpPathCallbacks path_callbacks = {
  .local_candidate = on_local_candidate,
  .state_changed = on_state_changed,
  .received = on_received,
  .received_all = on_received_all,
};

static Entry *
add_entry (QpPaths *paths, guint number, const char *interface, gboolean ours)
{
  g_autofree char *password = NULL;
  QpPathConfig config = paths->config;
  Entry *entry = g_new0 (Entry, 1);

  /* Path 0 is older than the key: its credentials are in the call's offer. */
  if (number > 0)
    password = make_password (paths, number, paths->config.controlling);
  config.password = password;
  config.interface = interface;
  entry->paths = paths;
  entry->number = number;
  entry->ours = ours;
  entry->interface = g_strdup (interface);
  entry->candidates = g_ptr_array_new_with_free_func (g_free);
  entry->born_us = g_get_monotonic_time ();
  entry->path = qp_path_new (paths->context, &config, &path_callbacks, entry);
  g_ptr_array_add (paths->entries, entry);
  return entry;
}

/* --- Interfaces ------------------------------------------------------------- */

static QpInterface *
find_interface_of (GPtrArray *interfaces, const char *address)
{
  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);

    for (guint j = 0; j < interface->addresses->len; j++) {
      GInetAddress *inet = g_inet_socket_address_get_address (
          g_ptr_array_index (interface->addresses, j));
      g_autofree char *text = g_inet_address_to_string (inet);

      if (g_str_equal (address, text))
        return interface;
    }
  }
  return NULL;
}

static QpInterface *
find_interface (GPtrArray *interfaces, const char *name)
{
  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);

    if (g_str_equal (interface->name, name))
      return interface;
  }
  return NULL;
}

/* The interface that the path's packets leave through, NULL if it is gone;
 * FALSE if that cannot be told (a relayed pair of an unrestricted path). */
static gboolean
locate (const Entry *entry, GPtrArray *interfaces, QpInterface **found)
{
  QpPathInfo info;

  qp_path_get_info (entry->path, &info);
  if (info.state == QP_PATH_CONNECTED &&
      !g_str_equal (info.local.type, "relay"))
    *found = find_interface_of (interfaces, info.base);
  else if (entry->interface)
    *found = find_interface (interfaces, entry->interface);
  else
    return FALSE;
  return TRUE;
}

/* Finds the paths whose network has gone away. */
static void
find_losses (QpPaths *paths, GPtrArray *interfaces)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);
    gboolean was_usable = is_usable (entry);
    QpInterface *interface;

    if (entry->dead || !locate (entry, interfaces, &interface))
      continue;
    if (interface || entry->lost) {
      /* The address is back before anything better was found. */
      entry->lost = interface == NULL;
      continue;
    }
    entry->lost = TRUE;
    if (was_usable)
      paths->callbacks.lost (entry->number,
          "its network interface is down or has lost its address", paths->user);
    if (entry->number != paths->active)
      drop (entry, "its network went away");
  }
}

static gboolean
is_covered (QpPaths *paths, GPtrArray *interfaces, QpInterface *interface)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);
    QpInterface *found = NULL;

    if (!entry->dead && !entry->lost && locate (entry, interfaces, &found) &&
        found == interface)
      return TRUE;
  }
  return FALSE;
}

/* The oldest that is neither in use nor usable gives its place. */
static gboolean
make_room (QpPaths *paths)
{
  guint alive = 0;
  Entry *victim = NULL;

  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead)
      continue;
    alive++;
    if (!victim && entry->number != paths->active && !is_usable (entry))
      victim = entry;
  }
  if (alive < QP_PATHS_MAX)
    return TRUE;
  if (victim)
    drop (victim, "another path needs its place");
  return victim != NULL;
}

static gboolean
was_tried_lately (QpPaths *paths, const char *name, gint64 now)
{
  gint64 *when = g_hash_table_lookup (paths->tried, name);

  return when && now - *when < RETRY_US;
}

static void
offer_path (QpPaths *paths, const char *interface, gint64 now)
{
  Entry *entry;

  if (paths->next_number > QP_MESSAGE_MAX_PATH || !make_room (paths))
    return;
  g_hash_table_insert (paths->tried, g_strdup (interface),
      g_memdup2 (&now, sizeof now));
  entry = add_entry (paths, paths->next_number, interface, TRUE);
  paths->next_number += 2;
  GST_INFO ("%s: offering path %u on %s", paths->name, entry->number,
      interface);
  send_description (entry, QP_MESSAGE_PATH_OFFER);
  qp_path_gather (entry->path);
}

static void
offer_new (QpPaths *paths, GPtrArray *interfaces, gboolean even_covered)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);
    guint rank;

    if (interface->loopback ||
        !qp_interface_rank (paths->interfaces, interface->name, &rank) ||
        (!even_covered && is_covered (paths, interfaces, interface)) ||
        was_tried_lately (paths, interface->name, now))
      continue;
    offer_path (paths, interface->name, now);
  }
}

void
qp_paths_update (QpPaths *paths)
{
  g_autoptr (GPtrArray) interfaces = NULL;

  if (!paths->started)
    return;
  interfaces = qp_interfaces_list ();
  find_losses (paths, interfaces);
  offer_new (paths, interfaces, FALSE);
}

void
qp_paths_renew (QpPaths *paths)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();

  if (paths->started)
    offer_new (paths, interfaces, TRUE);
}

static gboolean
on_upkeep (gpointer data)
{
  QpPaths *paths = data;
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->number != paths->active && !is_usable (entry) &&
        now - entry->born_us > ATTEMPT_US)
      drop (entry, "it did not come up");
  }
  qp_paths_update (paths);
  return G_SOURCE_CONTINUE;
}

/* --- From the peer ---------------------------------------------------------- */

static gboolean
take_token (QpPaths *paths)
{
  gint64 now = g_get_monotonic_time ();

  paths->tokens += (double) (now - paths->tokens_us) / OFFER_REFILL_US;
  paths->tokens = MIN (paths->tokens, OFFER_BURST);
  paths->tokens_us = now;
  if (paths->tokens < 1)
    return FALSE;
  paths->tokens -= 1;
  return TRUE;
}

static gboolean
take_credentials (Entry *entry, const QpMessage *message)
{
  g_autofree char *password = make_password (entry->paths, entry->number,
      !entry->paths->config.controlling);
  g_autoptr (GError) error = NULL;

  if (qp_path_set_remote_credentials (entry->path, message->ufrag, password,
          &error))
    return TRUE;
  drop (entry, error->message);
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
  if (!make_room (paths))
    return "the call has enough paths";
  return NULL;
}

static void
handle_offer (QpPaths *paths, const QpMessage *offer)
{
  Entry *entry = find_entry (paths, offer->path);
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
  entry = add_entry (paths, offer->path, NULL, FALSE);
  send_description (entry, QP_MESSAGE_PATH_ANSWER);
  if (take_credentials (entry, offer))
    qp_path_gather (entry->path);
}

static void
handle_answer (QpPaths *paths, const QpMessage *answer)
{
  Entry *entry = find_entry (paths, answer->path);

  if (!entry || !entry->ours || entry->answered ||
      !has_true_mac (paths, answer))
    return;
  entry->answered = TRUE;
  take_credentials (entry, answer);
}

static void
handle_candidate (QpPaths *paths, const QpMessage *message)
{
  Entry *entry = find_entry (paths, message->path);
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
repeat_candidates (Entry *entry)
{
  for (guint i = 0; i < entry->candidates->len; i++)
    send_candidate (entry, g_ptr_array_index (entry->candidates, i));
}

void
qp_paths_repeat_first (QpPaths *paths)
{
  Entry *entry = find_entry (paths, 0);

  if (entry)
    repeat_candidates (entry);
}

void
qp_paths_repeat (QpPaths *paths)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead || entry->number == 0 || is_usable (entry))
      continue;
    send_description (entry,
        entry->ours ? QP_MESSAGE_PATH_OFFER : QP_MESSAGE_PATH_ANSWER);
    repeat_candidates (entry);
  }
}

/* --- Which is best ---------------------------------------------------------- */

static void
judge (const Entry *entry, GPtrArray *interfaces, gint64 now,
    QpPathMerit *merit)
{
  QpInterface *interface = NULL;
  QpPathInfo info;

  qp_path_get_info (entry->path, &info);
  *merit = (QpPathMerit){ .number = entry->number,
    .usable = is_usable (entry),
    .relayed = g_str_equal (info.local.type, "relay") ||
        g_str_equal (info.remote.type, "relay"),
    .doubted = now < entry->doubted_until_us,
    .since_us = entry->usable_us };
  /* Where the other side's interface is what differs, its owner knows. */
  if (locate (entry, interfaces, &interface) && interface)
    qp_interface_rank (entry->paths->interfaces, interface->name, &merit->rank);
}

static guint
judge_all (QpPaths *paths, QpPathMerit *merits, int except)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();
  gint64 now = g_get_monotonic_time ();
  guint n = 0;

  for (guint i = 0; i < paths->entries->len && n < QP_PATHS_MAX; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);

    if (!entry->dead && (int) entry->number != except)
      judge (entry, interfaces, now, &merits[n++]);
  }
  return n;
}

int
qp_paths_get_best (QpPaths *paths, int except)
{
  QpPathMerit merits[QP_PATHS_MAX];
  guint n = judge_all (paths, merits, except);
  const QpPathMerit *best = qp_path_choose (merits, n);

  return best ? (int) best->number : -1;
}

int
qp_paths_get_preferred (QpPaths *paths)
{
  QpPathMerit merits[QP_PATHS_MAX];
  guint n = judge_all (paths, merits, -1);
  const QpPathMerit *active = NULL, *best = qp_path_choose (merits, n);

  for (guint i = 0; i < n; i++) {
    if (merits[i].number == paths->active)
      active = &merits[i];
  }
  return active && best && qp_path_is_preferred (best, active)
      ? (int) best->number
      : -1;
}

gboolean
qp_paths_is_usable (QpPaths *paths, guint number)
{
  Entry *entry = find_entry (paths, number);

  return entry && is_usable (entry);
}

void
qp_paths_set_active (QpPaths *paths, guint number)
{
  Entry *former = find_entry (paths, paths->active);

  paths->active = number;
  if (former && former->lost && former->number != number)
    drop (former, "its network went away");
}

void
qp_paths_doubt (QpPaths *paths, guint number)
{
  Entry *entry = find_entry (paths, number);

  if (!entry)
    return;
  entry->doubted_until_us = g_get_monotonic_time () +
      ((gint64) DOUBT_US << MIN (entry->doubts, DOUBT_DOUBLINGS));
  entry->doubts++;
}

void
qp_paths_trust (QpPaths *paths, guint number)
{
  Entry *entry = find_entry (paths, number);

  if (entry) {
    entry->doubted_until_us = 0;
    entry->doubts = 0;
  }
}

gboolean
qp_paths_is_doubted (QpPaths *paths, guint number)
{
  Entry *entry = find_entry (paths, number);

  return entry && g_get_monotonic_time () < entry->doubted_until_us;
}

/* --- Sending ---------------------------------------------------------------- */

static void
on_writable (QpPath *path, gpointer user)
{
  Entry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.writable (entry->paths->user);
}

QpPathSendResult
qp_paths_send (QpPaths *paths, guint number, const guint8 *data, gsize size,
    gsize segment, gsize *sent)
{
  Entry *entry = find_entry (paths, number);
  QpPathSendResult result;

  if (!entry || entry->lost)
    return QP_PATH_SEND_ERROR;
  result = qp_path_send (entry->path, data, size, segment, sent);
  if (result == QP_PATH_SEND_AGAIN)
    qp_path_notify_writable (entry->path, on_writable);
  return result;
}

/* --- Life ------------------------------------------------------------------- */

static gpointer
copy_turn_server (gconstpointer server, gpointer user)
{
  return qp_turn_server_copy (server);
}

QpPaths *
qp_paths_new (GMainContext *context, const QpPathConfig *config,
    const char *call, const char *name, const char *interfaces,
    const QpPathsCallbacks *callbacks, gpointer user)
{
  QpPaths *paths = g_new0 (QpPaths, 1);

  paths->context = g_main_context_ref (context);
  paths->config = *config;
  paths->config.interface = NULL;
  paths->stun_host = g_strdup (config->stun_host);
  paths->config.stun_host = paths->stun_host;
  if (config->turn_servers)
    paths->turn = g_ptr_array_copy (config->turn_servers, copy_turn_server,
        NULL);
  if (paths->turn)
    g_ptr_array_set_free_func (paths->turn,
        (GDestroyNotify) qp_turn_server_free);
  paths->config.turn_servers = paths->turn;
  paths->call = g_strdup (call);
  paths->name = g_strdup (name);
  paths->interfaces = g_strdup (interfaces);
  paths->callbacks = *callbacks;
  paths->user = user;
  paths->entries = g_ptr_array_new_with_free_func (entry_free);
  paths->tried = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      g_free);
  paths->next_number = config->controlling ? 2 : 1;
  paths->tokens = OFFER_BURST;
  paths->tokens_us = g_get_monotonic_time ();
  paths->first = add_entry (paths, 0, NULL, config->controlling)->path;
  return paths;
}

void
qp_paths_free (QpPaths *paths, void (*closed) (gpointer), gpointer user)
{
  qp_clear_source (&paths->upkeep);
  qp_clear_source (&paths->idle);
  paths->closed = closed;
  paths->closed_user = user;
  g_ptr_array_unref (paths->entries);
  g_hash_table_unref (paths->tried);
  g_clear_pointer (&paths->turn, g_ptr_array_unref);
  g_free (paths->stun_host);
  g_free (paths->interfaces);
  g_free (paths->call);
  g_free (paths->name);
  paths->freed = TRUE;
  finalize_if_closed (paths);
}

QpPath *
qp_paths_get_first (QpPaths *paths)
{
  return paths->first;
}

void
qp_paths_start (QpPaths *paths, const guint8 *key)
{
  memcpy (paths->key, key, sizeof paths->key);
  paths->started = TRUE;
  paths->upkeep = g_timeout_source_new (UPKEEP_MS);
  g_source_set_callback (paths->upkeep, on_upkeep, paths, NULL);
  g_source_attach (paths->upkeep, paths->context);
  qp_paths_update (paths);
}

gboolean
qp_paths_get_info (QpPaths *paths, guint number, QpPathInfo *info)
{
  Entry *entry = find_entry (paths, number);

  memset (info, 0, sizeof *info);
  if (entry)
    qp_path_get_info (entry->path, info);
  return entry != NULL;
}

char *
qp_paths_describe (QpPaths *paths)
{
  return paths->first ? qp_path_describe (paths->first)
                      : g_strdup ("its first path is gone");
}

void
qp_paths_foreach (QpPaths *paths,
    void (*func) (guint number, const char *interface, gboolean usable,
        const QpPathInfo *info, gpointer user),
    gpointer user)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    Entry *entry = g_ptr_array_index (paths->entries, i);
    QpPathInfo info;

    if (entry->dead)
      continue;
    qp_path_get_info (entry->path, &info);
    func (entry->number, entry->interface, is_usable (entry), &info, user);
  }
}
